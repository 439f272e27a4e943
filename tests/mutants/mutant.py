"""One mutant: what is taken out where, and who must notice."""

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """A safety that is taken out.

    Parameters
    ----------
    name
        For the command line.
    safety
        What is taken out, for people.
    file
        Where, from the root of the project.
    old, new
        Text that occurs there exactly once, and what takes its place.
    tests
        Tests that must fail then, as pytest names them. They run the code of their own process only: a command that
        they start would be the installed one.
    """

    name: str
    safety: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The file's text with the safety taken out.

        Raises
        ------
        LookupError
            If the old text is not there exactly once; the text says what to do.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        found = text.count(self.old)
        if found != 1:
            raise LookupError(
                f"{self.name}: its old text occurs {found} times in {self.file}, not once; "
                "the code has changed, so bring tests/mutants/table.py up to date"
            )
        return text.replace(self.old, self.new)
