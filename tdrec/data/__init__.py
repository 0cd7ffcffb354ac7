"""Ratings: load, check, split by time, encode; pairs that nobody rated."""

from tdrec.data.features import FeatureEncoder, Vocabulary
from tdrec.data.holdout import Holdout, split_by_time
from tdrec.data.movielens import check_source, load, resolve_source
from tdrec.data.ratings import DataError, Movies, Ratings
from tdrec.data.simulated import simulate
from tdrec.data.unrated import unrated_pairs

__all__ = [
    "DataError",
    "FeatureEncoder",
    "Holdout",
    "Movies",
    "Ratings",
    "Vocabulary",
    "check_source",
    "load",
    "resolve_source",
    "simulate",
    "split_by_time",
    "unrated_pairs",
]
