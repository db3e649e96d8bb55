"""The command line: help, exit codes, JSON, and errors without stack traces."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentep.host.cli import main
from opentep.host.cli.main import _COMMANDS

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "fabric.yaml"
    path.write_text(EXAMPLE.read_text())
    return path


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, lazy in _COMMANDS.items():
        assert name in result.output and lazy.summary[:30] in result.output


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"opentep {name}" in result.output


def test_a_mistyped_command() -> None:
    result = run("aply")
    assert result.exit_code == 2
    assert "did you mean 'apply'?" in result.output


def test_version() -> None:
    assert run("--version").output.startswith("opentep ")


def test_check(document: Path) -> None:
    result = run("check", document)
    assert result.exit_code == 0
    assert "is right" in result.output
    assert list(document.parent.iterdir()) == [document], "check leaves nothing behind"


def test_check_json(document: Path) -> None:
    teps = json.loads(run("check", document, "--json").output)["teps"]
    assert teps["rack1"]["macs"] == {"used": 7, "room": 2048}


def test_a_wrong_document(document: Path) -> None:
    document.write_text(document.read_text().replace("role: access", "role: axess"))
    result = run("check", document)
    assert result.exit_code == 2
    assert f"{document}:13:22: teps.rack1.ports.server.role" in result.output
    assert "did you mean 'access'?" in result.output
    assert "Traceback" not in result.output
    problems = json.loads(run("check", document, "--json").output)["problems"]
    assert [problem["line"] for problem in problems] == [13, 19]


def test_a_missing_document(tmp_path: Path) -> None:
    result = run("check", tmp_path / "no.yaml")
    assert result.exit_code == 2
    assert "No such file" in result.output


def test_schema_is_json() -> None:
    assert json.loads(run("schema").output)["title"].startswith("opentep")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "opentep" in result.output


def test_completion_completes_commands() -> None:
    runner = CliRunner()
    environment = {"_OPENTEP_COMPLETE": "bash_complete", "COMP_WORDS": "opentep re", "COMP_CWORD": "1"}
    result = runner.invoke(main, [], env=environment, prog_name="opentep")
    assert "plain,replay" in result.output and "plain,registers" in result.output


def test_replay_of_an_unknown_tep(document: Path, tmp_path: Path) -> None:
    result = run("replay", "-f", document, "-t", "rack9", "-i", "server=x.pcap", "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert "rack1, rack2" in result.output


@pytest.mark.parametrize("value", ["server", "=x", "server="])
def test_replay_wants_port_and_file(document: Path, tmp_path: Path, value: str) -> None:
    result = run("replay", "-f", document, "-t", "rack1", "-i", value, "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert "PORT=FILE" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("16", "1"), "16 is not in 0 to 15"),
        (("0", "0x20"), "0x20 is not in 0 to 31"),
        (("0", "0", "65536"), "65536 is not in 0 to 65535"),
        (("uplink", "1"), "'uplink' is not a number"),
    ],
)
def test_mdio_refuses_numbers_before_it_opens_a_line(arguments: tuple[str, ...], message: str) -> None:
    result = run("mdio", *arguments, "--link", "/dev/nothing")
    assert result.exit_code == 2 and message in result.output


def test_replay_model(document: Path, tmp_path: Path) -> None:
    from opentep.sim.pcap import Packet, PcapWriter, read_capture

    frame = bytes.fromhex("120001000002 120001000001 8100 0002 88b5") + bytes(60)
    with PcapWriter(tmp_path / "in.pcap") as writer:
        writer.write(Packet(1000, frame))
    arguments = [
        "-f",
        document,
        "-t",
        "rack1",
        "-i",
        f"server={tmp_path / 'in.pcap'}",
        "-o",
        tmp_path / "out",
    ]
    result = run("replay", *arguments, "--backend", "model", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["left"] == {"server": 1, "uplink": 0}
    (packet,) = read_capture(tmp_path / "out" / "server.pcap")
    assert packet.octets[:18].hex() == "1200010000021200010000018100000388b5"
    assert list(document.parent.glob("*.db")) == [], "a replay stores nothing"
