"""`opentep fuzz`."""

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from opentep.gateware.params import Params

from .errors import EXIT_FAILED, CommandError
from .options import change_params, json_option, params_changes_option
from .output import print_json, progress_bar

if TYPE_CHECKING:
    from opentep.sim.fuzz.campaign import Round

__all__ = ["command"]


@click.command(epilog="Exit codes: 0 nothing found, 1 a finding, or it did not work, 2 wrong usage.")
@click.option(
    "-n", "--frames", type=click.IntRange(1), default=100_000, show_default=True, help="Frames to send."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Another one, other frames."
)
@click.option(
    "--skip",
    type=click.IntRange(0),
    default=0,
    help="Frames of this seed that were sent before: what an interrupted run told.",
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="TEPs at a time."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/fuzz"),
    show_default=True,
    help="Folder for what reproduces a finding.",
)
@click.option(
    "--reproduce",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send the frames of such a file again, and nothing else.",
)
@click.option(
    "--capture",
    "captures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Capture (pcap or pcapng) whose frames are mixed in. May be repeated.",
)
@params_changes_option
@json_option
def command(
    frames: int,
    seed: int,
    skip: int,
    jobs: int,
    out: Path,
    reproduce: Path | None,
    captures: tuple[Path, ...],
    params: dict[str, int],
    as_json: bool,
) -> None:
    """Attack the Verilated gateware with adversarial frames, and compare all that leaves with the reference model.

    Random tenants, ordinary traffic, damaged frames, forged MAC addresses, tags, outer sources and networks, extension
    headers, frames cut at every octet. Three rounds of five stand full load; in the others the TEP answers requests for
    VMs, or learns and has limits. No frame may reach a tenant that it is not for, and the TEP must answer after each
    volley. What shows a finding again is made as small as possible, and kept. Ctrl-C tells how to go on later.

    Frames of captures come as they are, or with addresses and tags of VMs and in tunnels of TEPs that the tables have,
    and are damaged and forged like all others.

    The core is the default one with storm_tenants, known_addresses and counted_tenants.

    \b
    opentep fuzz                                    100,000 frames, about a minute
    opentep fuzz --frames 10000000 --seed 7
    opentep fuzz --frames 10000000 --seed 7 --skip 4000000
    opentep fuzz --param access_ports=3 --param width=64
    opentep fuzz --capture office.pcap --capture storage.pcapng
    opentep fuzz --reproduce build/fuzz/4294967296.json
    """
    if reproduce is None:
        from opentep.sim.fuzz.scene import CORE

        _attack(frames, seed, skip, jobs, out, captures, change_params(CORE, params), as_json)
        return
    if captures:
        raise click.UsageError("--reproduce sends the frames of its own file: leave out --capture")
    _reproduce(reproduce, as_json)


def _read(captures: tuple[Path, ...]) -> tuple[bytes, ...]:
    from opentep.sim.fuzz.captured import read_captures
    from opentep.sim.pcap import CaptureError

    try:
        return read_captures(captures)
    except CaptureError as error:
        raise CommandError(str(error)) from None


def _attack(
    frames: int,
    seed: int,
    skip: int,
    jobs: int,
    out: Path,
    captures: tuple[Path, ...],
    params: Params,
    as_json: bool,
) -> None:
    from opentep.sim.fuzz.campaign import ROUND, run_campaign

    if skip % ROUND or skip >= frames:
        raise click.BadParameter(
            f"must be whole rounds of {ROUND:,}, less than --frames", param_hint="--skip"
        )
    captured = _read(captures)
    out.mkdir(parents=True, exist_ok=True)  # or tell that it cannot be, before there is something to keep
    sent = delivered = 0
    rounds_done: set[int] = set()
    found: Round | None = None
    with progress_bar("frames") as progress:
        rounds = run_campaign(params, frames, seed, jobs, progress, _tell, skip, captured)
        try:
            for result in rounds:
                sent += result.shots
                delivered += result.delivered
                rounds_done.add(result.tables & 0xFFFFFFFF)
                if result.finding is not None:
                    found = result
                    break
        except KeyboardInterrupt:
            first = next(number for number in itertools.count(skip // ROUND) if number not in rounds_done)
            raise CommandError(
                f"interrupted: {sent:,} frames sent, {delivered:,} delivered, each one as the model says;"
                f" go on with --seed {seed} --skip {first * ROUND}{' and the same captures' if captures else ''}"
            ) from None
        finally:
            rounds.close()
    file = None if found is None else _keep(found, params, out)
    if as_json:
        finding = None
        if found is not None and found.finding is not None:
            finding = {
                "kind": found.finding.kind.value,
                "detail": found.finding.detail,
                "file": str(file or ""),
            }
        print_json({"params": asdict(params), "sent": sent, "delivered": delivered, "finding": finding})
    elif found is None or found.finding is None:
        click.echo(f"{sent:,} frames sent, {delivered:,} delivered: each one as the model says")
    else:
        click.echo(
            f"{found.finding.kind.value} after {found.shots:,} frames of a round: {found.finding.detail}"
        )
        click.echo(
            f"tables: seed {found.tables}; "
            + (f"shown again by {file}" if file else "does not show again alone")
        )
    if found is not None:
        click.get_current_context().exit(EXIT_FAILED)


def _tell(message: str) -> None:
    click.echo(message, err=True)


def _keep(found: "Round", params: Params, out: Path) -> Path | None:
    from opentep.sim.fuzz.campaign import reproducer_of

    from .main import version  # which imports this module

    click.echo("looking for the fewest frames that show it", err=True)
    reproducer = reproducer_of(found, params, version())
    if reproducer is None:
        return None
    file = out / f"{found.tables}.json"
    reproducer.save(file)
    return file


def _reproduce(file: Path, as_json: bool) -> None:
    from opentep.sim.fuzz.campaign import shown
    from opentep.sim.fuzz.reproducer import Reproducer, ReproducerError

    try:
        reproducer = Reproducer.load(file)
    except ReproducerError as error:
        raise CommandError(str(error)) from None
    finding = shown(reproducer.params, reproducer.tables, reproducer.shots)
    if as_json:
        print_json(
            {
                "frames": len(reproducer.shots),
                "finding": finding and {"kind": finding.kind.value, "detail": finding.detail},
            }
        )
    elif finding is None:
        click.echo(
            f"{len(reproducer.shots)} frames sent: as the model says (found with {reproducer.version})"
        )
    else:
        click.echo(f"{finding.kind.value}: {finding.detail}")
    if finding is not None:
        click.get_current_context().exit(EXIT_FAILED)
