"""The command `gradlab`: every command is found, teaches what it takes, and refuses what is none."""

import pytest

from gradlab.__main__ import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_takes(name, capsys, monkeypatch):
    monkeypatch.delenv("GRADLAB_WARM", raising=False)
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: gradlab {name} ")


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")][-len(COMMANDS) - 2 : -2] == [*COMMANDS]


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["--nothing"]])
def test_what_is_no_command_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: gradlab COMMAND" in capsys.readouterr().err


def test_a_command_is_given_the_rest_and_its_status_is_returned(tmp_path, capsys):
    assert main(["ledger", str(tmp_path / "none.json")]) == 1
    assert "none.json cannot be read" in capsys.readouterr().err
