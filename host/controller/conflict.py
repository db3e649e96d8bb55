"""Two operators who want different things of the same object."""

from collections.abc import Sequence

from .objects import Key

__all__ = ["ConflictError"]


class ConflictError(Exception):
    """Objects were changed by others since what the caller goes by. Nothing is stored."""

    def __init__(self, conflicts: Sequence[tuple[Key, str]], base: int):
        self.conflicts = tuple(conflicts)
        """What, and by whom it was changed, when."""
        self.base = base
        shown = "\n".join(f"  {key}: {how}" for key, how in self.conflicts[:20])
        more = f"\n  and {len(self.conflicts) - 20} more" if len(self.conflicts) > 20 else ""
        since = (
            f"since revision {base}, which the document goes by"
            if base
            else "and the document does not say so"
        )
        super().__init__(
            f"changed in the store {since}:\n{shown}{more}\n"
            "remedy: `opentep export fabric -o FILE` gives what is stored, to put your changes into;"
            " --force overwrites theirs"
        )
