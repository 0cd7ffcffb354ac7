"""Rows of users and items: load, check, split, encode; pairs that nobody rated."""

from tdrec.data.columns import Categories, Labels, Numbers, Text
from tdrec.data.error import DataError
from tdrec.data.features import FeatureEncoder
from tdrec.data.holdout import Holdout, Split, split_by_time
from tdrec.data.interactions import Interactions
from tdrec.data.items import Items
from tdrec.data.ratings import Movies, Ratings
from tdrec.data.simulated import simulate
from tdrec.data.simulated_tables import simulate_table
from tdrec.data.sources import check_source, load, resolve_source
from tdrec.data.table_source import TableSource
from tdrec.data.tables import read_table
from tdrec.data.unrated import unrated_pairs
from tdrec.data.vocabulary import Vocabulary

__all__ = [
    "Categories",
    "DataError",
    "FeatureEncoder",
    "Holdout",
    "Interactions",
    "Items",
    "Labels",
    "Movies",
    "Numbers",
    "Ratings",
    "Split",
    "TableSource",
    "Text",
    "Vocabulary",
    "check_source",
    "load",
    "read_table",
    "resolve_source",
    "simulate",
    "simulate_table",
    "split_by_time",
    "unrated_pairs",
]
