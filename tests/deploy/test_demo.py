"""The demonstration's parts without a federation: folder, processes, search, verdict."""

import sys
from dataclasses import replace

import pytest

from deploy.study.capture import Recorder
from deploy.study.demo.failure import StepFailed
from deploy.study.demo.places import ELSEWHERE, MARKER, Places, fresh
from deploy.study.demo.processes import Service, Services, Shell, typed
from deploy.study.demo.residue import private_fields, private_values, residue
from deploy.study.demo.summary import MISMATCHES, RANKINGS, Summary
from federation.home import Home
from node.records import RECORDS


def test_a_folder_is_made_and_begun_afresh(tmp_path):
    folder = tmp_path / "made" / "demo"
    with fresh(folder) as places:
        (places.market / "440300").mkdir(parents=True)
        places.summary.write_text("{}")
    with fresh(folder) as places:
        assert not places.market.exists()
        assert not places.summary.exists()
        assert places.logs.is_dir()


def test_a_folder_that_no_demonstration_made_is_left_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(StepFailed, match="left as it is"), fresh(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_one_demonstration_at_a_time_in_a_folder(tmp_path):
    with fresh(tmp_path) as places:
        places.summary.write_text("{}")
        with pytest.raises(StepFailed, match="running"), fresh(tmp_path):
            pass
        assert places.summary.exists()


def test_a_path_too_long_for_a_socket_has_its_home_elsewhere_and_takes_it_away(tmp_path):
    folder = tmp_path / ("long" * 25)
    with fresh(folder) as places:
        home = places.federation.resolve()
        assert home.name.startswith(ELSEWHERE)
        assert Home(places.federation).socket.parent == home
    with fresh(folder):
        assert not home.exists()


def test_a_link_to_somewhere_else_is_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / "link").symlink_to(kept)
    with fresh(folder):
        assert not (folder / "link").exists()
    assert (kept / "file").exists()


def test_a_command_that_fails_is_told_with_its_last_lines_and_kept(tmp_path):
    shown: list[str] = []
    shell = Shell(tmp_path / "commands.log", shown.append)
    with pytest.raises(StepFailed) as failed:
        shell.run("labor-node", "status", "--home", tmp_path / "nowhere")
    assert shown == [typed("labor-node", "status", "--home", tmp_path / "nowhere")]
    assert "labor-node init makes one" in "\n".join(failed.value.lines())
    assert shown[0] in (tmp_path / "commands.log").read_text()


def python(name, code, folder):
    return Service(name, [sys.executable, "-u", "-c", code], folder / f"{name}.log")


def test_a_line_is_waited_for_whether_said_before_or_after(tmp_path):
    with Services() as services:
        talker = services.add(python("talker", "print('one'); print('ready 1'); input()", tmp_path))
        assert talker.wait_for("ready") == "ready 1"
        assert talker.wait_for("one") == "one"


def test_a_program_that_ends_without_its_line_is_told_with_its_log(tmp_path):
    with Services() as services:
        code = "import sys; print('on stderr', file=sys.stderr); sys.exit(3)"
        service = services.add(python("broken", code, tmp_path))
        with pytest.raises(StepFailed) as failed:
            service.wait_for("ready")
        assert "on stderr" in failed.value.tail
        assert service.wait() == 3
        with pytest.raises(StepFailed, match="ended by itself"):
            services.check()


def test_leaving_stops_every_program(tmp_path):
    waiting = "import threading; print('up'); threading.Event().wait()"
    with Services() as services:
        started = [services.add(python(name, waiting, tmp_path)) for name in ("a", "b")]
        for service in started:
            service.wait_for("up")
    assert not any(service.running for service in started)


def city(folder, **worker):
    rows = {
        "jobs": {"job_id": "J-12345678", "title": "not private", "contact": "13800001111"},
        "workers": {"worker_id": "W-12345678", "name": "欧阳样例", "skills": "焊接工艺;看图纸"},
        "outcomes": {"outcome_id": "O-12345678", "worker_id": "W-12345678"},
    }
    rows["workers"] |= worker
    for table, model in RECORDS.items():
        header = list(model.model_fields)
        line = [rows[table].get(column, "") for column in header]
        (folder / f"{table}.csv").write_text(f"{','.join(header)}\n{','.join(line)}\n")


def wire(folder, *messages):
    path = folder / "wire.bin"
    recorder = Recorder(path)
    for message in messages:
        recorder(message)
    recorder.close()
    return path


@pytest.mark.parametrize(
    "leak",
    ["欧阳样例", "13800001111", "焊接工艺", "W-12345678"],
    ids=["name", "phone", "tag", "id"],
)
def test_any_private_value_in_a_recording_is_found(tmp_path, leak):
    city(tmp_path)
    left = residue([tmp_path], [wire(tmp_path, b"harmless", b"x" + leak.encode() + b"y")])
    assert left.found == {leak}
    assert left.messages == 2


def test_public_fields_codes_and_short_values_are_not_searched_for(tmp_path):
    city(tmp_path, occupation="6-31-01-02", division="440304", wish_shift="rotating", wish_pay="5")
    left = residue([tmp_path], [wire(tmp_path, b"not private 6-31-01-02 440304 rotating")])
    assert left.found == frozenset()
    assert left.short == 1  # the wish of 5 yuan
    assert "title" not in private_fields("jobs")
    assert set(private_values(tmp_path)) >= {"欧阳样例", "看图纸", "5"}


SUMMARY = Summary(
    cities=4,
    workers=20_000,
    rounds=80,
    seconds_per_round=0.5,
    epsilon=7.5,
    delta=1e-6,
    epsilon_of_year=7.6,
    ndcg_at_10=dict.fromkeys(RANKINGS, 0.5),
    ndcg_at_10_interval={},
    mismatch_rate=dict.fromkeys(MISMATCHES, 0.3),
    mismatch_rate_interval={},
    pooled_minus_alone_interval={},
    federated_minus_alone_interval={},
    log_entries=90,
    audit="ok",
    raw_fields_left=0,
    raw_fields_searched=1,
    captured_bytes=1,
    seconds=1.0,
)


def test_everything_must_hold():
    assert SUMMARY.faults == []
    assert len(replace(SUMMARY, audit="failed").faults) == 1
    assert len(replace(SUMMARY, raw_fields_left=2).faults) == 1


def test_places_lie_under_one_folder(tmp_path):
    places = Places(tmp_path)
    for path in (places.market, places.federation, places.node("440300"), places.wire("440300")):
        assert path.is_relative_to(tmp_path)
