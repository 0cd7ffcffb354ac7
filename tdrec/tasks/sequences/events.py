"""What users saw, in the order of time: histories to learn from, and events to be predicted.

The idea: an event is a user's first row of a movie. The movies that training rows have make the
vocabulary, for the teacher and for all students; the others are no part of a history. All of a
user's earlier events are the history of an event, of evaluation rows too: they are known when it
happens, though nothing was learned from them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdrec.data import Holdout, Vocabulary
from tdrec.data.repeated import repeated_rows

Ints = NDArray[np.int64]

NOTHING = -1
"""In place of an event or of a label: nothing is to be predicted there."""


class Windows(NamedTuple):
    """Histories cut into sequences of one length.

    Attributes:
        tokens: What was seen up to each place, padded at the end by 0; int32 `(windows, length)`.
        events: Which event follows each place, or `NOTHING`: of padding, and of what another window
            predicts from a longer history; int64 of the same shape.
        users: Of each window, by position in the users' ids.
    """

    tokens: NDArray[np.int32]
    events: Ints
    users: Ints

    def take(self, chosen: NDArray[Any]) -> "Windows":
        """Some of the windows."""
        return Windows(*(part[chosen] for part in self))


@dataclass(frozen=True)
class Ranking:
    """The events of a genre that models are judged by, and what each of them may rank.

    Attributes:
        windows: The histories.
        window, place: Where each event is predicted: shape `(events,)`.
        target: Which of the candidates it is.
        seen: Which candidates its user saw before it: bool `(events, candidates)`. Nobody is
            recommended them, whatever the method.
        last: The latest tokens before it, padded by 0: `(events, neighbours)`.
        user_ids: Whose it is.
        missed: The users of events of movies without a training row: no method can rank them, and
            for each they count as missed.
        cold: The ids of users without a training row.
    """

    windows: Windows
    window: Ints
    place: Ints
    target: Ints
    seen: NDArray[np.bool_]
    last: Ints
    user_ids: Ints
    missed: Ints
    cold: Ints


class Histories:
    """The events of a holdout.

    Args:
        holdout: Rows to train and to evaluate on, with times.
        ties: The seed that orders a user's events of one time: many rate a page of movies at once,
            and in the order of ids it would be known what comes next.

    Attributes:
        vocabulary: The movies of the training rows, whose indices are the tokens; 0 is padding.
        start: The token that comes before all events, the one history of who has none.
        user_ids, tokens: Of each event, sorted by user and time, int64.
        later: Which events are evaluation rows.

    Example:
        >>> from tdrec.data import split_by_time
        >>> histories = Histories(split_by_time(ratings))
        >>> histories.start == len(histories.vocabulary.values) + 1
        True
    """

    def __init__(self, holdout: Holdout[Any], ties: int = 0) -> None:
        parts = (holdout.train, holdout.test)
        self._parts = parts
        self.vocabulary = Vocabulary.fit(holdout.train.item_ids)
        self.start = self.vocabulary.size
        users, items, places, times = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("user_ids", "item_ids", "item_rows", "timestamps")
        )
        # Training rows are drawn for first, whatever there is to evaluate on.
        drawn = np.random.default_rng(ties).random(len(users))
        order = np.lexsort((drawn, times, users))
        self._rows = order[~repeated_rows(users[order], places[order])]
        self.user_ids = users[self._rows]
        self.tokens = self.vocabulary.lookup(items[self._rows]).astype(np.int64)
        self.later = self._rows >= len(holdout.train)

    @property
    def tokens_in_all(self) -> int:
        """How many tokens there are, with padding and `start`."""
        return self.start + 1

    def in_segment(self, name: str) -> NDArray[np.bool_]:
        """Which events belong to a segment."""
        flags = np.concatenate([part.in_segment(name) for part in self._parts])
        found: NDArray[np.bool_] = flags[self._rows]
        return found

    def candidates(self, name: str) -> Ints:
        """The tokens of a segment: movies with a training row in it, in the order of ids."""
        return np.unique(self.tokens[self.in_segment(name) & ~self.later])

    def training_windows(self, length: int, name: str | None = None, share: float = 1.0) -> Windows:
        """The histories of training rows alone, each event followed by the next in one window.

        Args:
            length: Places of a sequence.
            name: A segment: windows in which nothing of it is to be predicted are left out. Default
                None: all.
            share: Of the users who have such windows, drawn at random; the fewer are among the
                more. Default 1.
        """
        windows = _windows(self.user_ids, self.tokens, ~self.later, self.start, length, length)
        if name is not None:
            has_label = (self.labels(windows, name) != NOTHING).any(axis=1)
            windows = windows.take(np.flatnonzero(has_label))
        order = np.random.default_rng(0).permutation(np.unique(windows.users))
        chosen = order[: max(1, round(share * len(order)))]
        return windows.take(np.flatnonzero(np.isin(windows.users, chosen)))

    def labels(self, windows: Windows, name: str | None = None) -> NDArray[np.int32]:
        """What follows each place: which of the candidates, or `NOTHING`.

        Args:
            windows: Histories.
            name: A segment: other events count as nothing. Default None: all movies are candidates.
        """
        events = windows.events
        if name is None:
            return np.where(events >= 0, self.tokens[events] - 1, NOTHING).astype(np.int32)
        column = self._columns(name)[self.tokens[events]]
        counts = (events >= 0) & self.in_segment(name)[events]
        return np.where(counts, column, NOTHING).astype(np.int32)

    def ranking(self, name: str, length: int, neighbours: int) -> Ranking:
        """The evaluation events of a segment.

        Args:
            name: The segment.
            length: Places of a sequence; histories that are longer are seen from at least half of
                it.
            neighbours: How many of the latest tokens to keep.
        """
        wanted, column = self.in_segment(name) & self.later, self._columns(name)
        windows = _windows(
            *(self.user_ids, self.tokens, self.tokens > 0, self.start, length),
            fresh=max(1, length // 2),
        )
        known = wanted & (column[self.tokens] >= 0)
        is_wanted = (windows.events >= 0) & known[windows.events]
        needed = np.flatnonzero(is_wanted.any(axis=1))
        windows = windows.take(needed)
        window, place = np.nonzero(is_wanted[needed])
        events = windows.events[window, place]
        firsts = np.searchsorted(self.user_ids, self.user_ids[events])
        seen = np.zeros((len(events), int(column.max()) + 1), bool)
        last = np.zeros((len(events), neighbours), np.int64)
        for i, (first, event) in enumerate(zip(firsts, events, strict=True)):
            before = self.tokens[first:event]
            before = before[before > 0]
            columns = column[before]
            seen[i, columns[columns >= 0]] = True
            latest = before[-neighbours:]
            last[i, : len(latest)] = latest
        train_users = self.user_ids[~self.later]
        return Ranking(
            windows,
            *(window, place, column[self.tokens[events]], seen, last, self.user_ids[events]),
            missed=self.user_ids[wanted & ~known],
            cold=np.setdiff1d(self.user_ids, train_users),
        )

    def _columns(self, name: str) -> Ints:
        """Which candidate each token is, or `NOTHING`."""
        column = np.full(self.tokens_in_all, NOTHING)
        candidates = self.candidates(name)
        column[candidates] = np.arange(len(candidates))
        return column


def mixed(tokens: NDArray[np.int32], start: int, copies: int) -> NDArray[np.int32]:
    """Histories that nobody has: of each place half of the copies have a movie of another history.

    What a teacher says of them is what its own layers make of movies that no data put together.

    Args:
        tokens: Histories, `(windows, length)`.
        start: The token that stays where it is, as padding does.
        copies: How many there are of each.

    Returns:
        Tokens `(copies * windows, length)`, the same in every call.
    """
    draw = np.random.default_rng(0)
    found = np.tile(tokens, (copies, 1))
    is_movie = (found != 0) & (found != start)
    replaced = is_movie & (draw.random(found.shape) < 0.5)
    movies = tokens[(tokens != 0) & (tokens != start)]
    found[replaced] = draw.choice(movies, int(replaced.sum()))
    return found


def _windows(
    user_ids: Ints, tokens: Ints, used: NDArray[np.bool_], start: int, length: int, fresh: int
) -> Windows:
    """Cuts the used events of each user into windows, the later ones with `fresh` new places."""
    events = np.flatnonzero(used)
    users, firsts, counts = np.unique(user_ids[events], return_index=True, return_counts=True)
    inputs = np.concatenate([[start], tokens[events]])[:-1]
    inputs[firsts] = start
    many = 1 + -(-np.maximum(counts - length, 0) // fresh)
    who = np.repeat(np.arange(len(users)), many)
    number = np.arange(len(who)) - np.repeat(np.cumsum(many) - many, many)
    offset = np.arange(length)
    at = (number * fresh)[:, None] + offset
    there = at < counts[who][:, None]
    place = np.where(there, firsts[who][:, None] + at, 0)
    is_new = there & ((number == 0)[:, None] | (offset >= length - fresh))
    return Windows(
        np.where(there, inputs[place], 0).astype(np.int32),
        np.where(is_new, events[place], NOTHING),
        who,
    )
