"""What a document goes by, where that cannot be noted."""

from pathlib import Path

import pytest
from opentep.host.document import open_document

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is stored is compiled and returned, so that it goes to the TEPs."""
    document, store = tmp_path / "fabric.yaml", tmp_path / "store.db"
    document.write_text(EXAMPLE.read_text())
    note = tmp_path / ".fabric.yaml.revision"
    note.mkdir()  # whoever runs this may be root, who may write everywhere
    stored = open_document(document, store=str(store), save=True, heed_others=True)
    assert stored.revision == 1 and "rack1" in stored.tables
    assert f"{note} cannot be written" in caplog.text and "remedy" in caplog.text
