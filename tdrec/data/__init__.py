"""Ratings: load, check, split by time, encode."""

from tdrec.data.features import FeatureEncoder, Vocabulary
from tdrec.data.holdout import Holdout, split_by_time
from tdrec.data.movielens import check_source, load
from tdrec.data.ratings import DataError, Movies, Ratings
from tdrec.data.simulated import simulate

__all__ = [
    "DataError",
    "FeatureEncoder",
    "Holdout",
    "Movies",
    "Ratings",
    "Vocabulary",
    "check_source",
    "load",
    "simulate",
    "split_by_time",
]
