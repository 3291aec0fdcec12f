"""Other people's optimizers, each in a process of its own environment."""

from trimtab.bench.peers._space import PeerRefused, described
from trimtab.bench.peers._table import PEERS
from trimtab.bench.peers.client import MissingPeer, PeerCrashed, PeerSession, PeerTimeout, open_session

__all__ = [
    "PEERS",
    "MissingPeer",
    "PeerCrashed",
    "PeerRefused",
    "PeerSession",
    "PeerTimeout",
    "described",
    "open_session",
]
