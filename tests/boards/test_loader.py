"""What may be loaded into a board, and the calls of the real openFPGALoader."""

import hashlib
import json
import subprocess

import pytest
from opentep.boards.catalogue import BOARDS
from opentep.boards.loader import Memory, check_bitstream, load_command
from opentep.boards.tools import ToolError, find_tool

BOARD = BOARDS["colorlight-5a-75b"]
CONTENT = b"\xff\x00Part: LFE5U-25F-6CABGA256\x00 the rest"


@pytest.fixture
def bitstream(tmp_path):
    """With the report of a successful build beside it."""
    path = tmp_path / f"{BOARD.name}.bit"
    path.write_bytes(CONTENT)
    write_report(path)
    return path


def write_report(path, **changes):
    digest = hashlib.sha256(CONTENT).hexdigest()
    report = {"board": BOARD.name, "ok": True, "problems": [], "bitstream": {"sha256": digest}} | changes
    (path.parent / "report.json").write_text(json.dumps(report))


def test_a_good_one(bitstream):
    check_bitstream(BOARD, bitstream)


def test_one_without_report_if_it_is_for_the_device(bitstream):
    (bitstream.parent / "report.json").unlink()
    check_bitstream(BOARD, bitstream)
    with pytest.raises(ToolError, match="is for the FPGA LFE5U-25F, and versa-ecp5 has LFE5UM-45F"):
        check_bitstream(BOARDS["versa-ecp5"], bitstream)
    bitstream.write_bytes(b"something else")
    with pytest.raises(ToolError, match="does not say which FPGA it is for"):
        check_bitstream(BOARD, bitstream)


def test_nothing_built(tmp_path):
    with pytest.raises(ToolError, match=r"there is no bitstream .*; remedy: opentep build colorlight-5a-75b"):
        check_bitstream(BOARD, tmp_path / "x.bit")


def test_a_failed_build(bitstream):
    write_report(bitstream, ok=False, problems=["clock sync misses it"], bitstream=None)
    with pytest.raises(ToolError, match=r"build for colorlight-5a-75b failed .clock sync misses it."):
        check_bitstream(BOARD, bitstream)


def test_of_another_board_with_the_same_device(bitstream):
    with pytest.raises(ToolError, match="is for the board colorlight-5a-75b, not for colorlight-5a-75b-r8"):
        check_bitstream(BOARDS["colorlight-5a-75b-r8"], bitstream)


def test_changed_since(bitstream):
    bitstream.write_bytes(CONTENT + b".")
    with pytest.raises(ToolError, match=r"is not the one that report\.json beside it tells of"):
        check_bitstream(BOARD, bitstream)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"board": "colorlight-5a-75b", "ok": true, "problems": [], "bitstream": null}']
)
def test_a_broken_report(bitstream, text):
    (bitstream.parent / "report.json").write_text(text)
    with pytest.raises(ToolError, match="is no report of a build"):
        check_bitstream(BOARD, bitstream)


def test_to_flash_and_to_ram(bitstream):
    ram = load_command(BOARD, bitstream, Memory.RAM).arguments
    flash = load_command(BOARD, bitstream, Memory.FLASH).arguments
    assert ram == (*BOARD.loader, "--write-sram", str(bitstream))
    assert flash == (*BOARD.loader, "--write-flash", "--verify", str(bitstream))


def test_a_usb_boot_loader_writes_flash_only(bitstream):
    board = next(board for board in BOARDS.values() if "--dfu" in board.loader)
    load_command(board, bitstream, Memory.FLASH)
    with pytest.raises(ToolError, match="--to flash"):
        load_command(board, bitstream, Memory.RAM)
    by_adapter = load_command(board, bitstream, Memory.RAM, "ft2232").arguments
    assert by_adapter == ("--cable", "ft2232", "--write-sram", str(bitstream))


def test_a_usb_boot_loader_is_looked_for_by_its_number():
    """Without one openFPGALoader looks for none if the file has no DFU suffix. Nothing is written here."""
    for board in BOARDS.values():
        if "--dfu" in board.loader:
            call = [find_tool("openfpgaloader-cli"), *board.loader, "--detect"]
            said = subprocess.run(call, capture_output=True, text=True, check=False).stdout
            assert "Cable VID overridden" in said and "Cable PID overridden" in said


def test_openfpgaloader_knows_the_boards_and_cables_that_are_named():
    listing = {
        option: subprocess.run(
            [find_tool("openfpgaloader-cli"), f"--list-{option}s"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        for option in ("board", "cable")
    }
    for board in BOARDS.values():
        for option, value in zip(board.loader, board.loader[1:], strict=False):
            if option in ("--board", "--cable"):
                assert value in listing[option.removeprefix("--")], board.name


def test_no_cable_is_told_with_a_remedy(bitstream, capfd):
    """The real program, on a machine without the board."""
    with pytest.raises(ToolError, match="failed with exit code 1: is the cable plugged in"):
        load_command(BOARD, bitstream, Memory.RAM).run()
    assert "unable to open ftdi device" in capfd.readouterr().err
