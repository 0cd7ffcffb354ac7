"""The exchange alone, under the name that other programs import it by."""

from tdrec.distill.communication import Conversation, communicate

__all__ = ["Conversation", "communicate"]
