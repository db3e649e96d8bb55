"""Why a frame was not forwarded."""

from enum import Enum

__all__ = ["Reason"]


class Reason(Enum):
    """The specification's drop reasons under the names of the counters, in order of precedence (SPEC §4).

    Spelled out here rather than taken from the gateware, because the model is what that is compared with.
    """

    RX_ERROR = "rx-error"
    UNTAGGED = "untagged"
    LINK_LOCAL = "link-local"
    BAD_SOURCE = "bad-source"
    UNKNOWN_TENANT = "unknown-tenant"
    SPOOFED = "spoofed"
    POLICY = "policy"
    UNKNOWN_UNICAST = "unknown-unicast"
    REFLECTED = "reflected"
    NOT_MINE = "not-mine"
    UNKNOWN_TEP = "unknown-tep"
    MALFORMED = "malformed"
    SPLIT_HORIZON = "split-horizon"
    TOO_BIG = "too-big"
    NO_BUFFER = "no-buffer"
    """Never in the model, which has room for every frame."""
    ECN = "ecn"
    """Congestion experienced in the tunnel by a packet that is not ECN-capable (RFC 6040, 4.2)."""
    STORM = "storm"
    """For many, and beyond what its tenant may send of such frames."""
