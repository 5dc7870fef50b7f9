"""What Bacalhau's command sends, byte for byte, is answered so that it can go on, and with what it shows to people."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import ANSWERS
from decoding import Refused, parsed
from player import Player
from running import Running


@pytest.mark.parametrize("version", ["1.4.0", "1.9.3"])
def test_every_command_is_answered(server: Running, version: str):
    player = Player(server, Path(__file__).with_name(f"cli-{version}.yaml"))
    for command in player.commands:
        player.play(command)
    assert len(player.commands) >= 15


JOB = '{"ID":"j-1","Tasks":[{"Engine":{"Type":"wasm"}}],"State":{"StateType":"Failed"},"CreateTime":1}'
EXECUTION = '{"ID":"e-1","JobID":"j-1","DesiredState":{"StateType":2},"ComputeState":{"StateType":7}}'
EVENT = (
    '{"Type":"JobLevel","JobID":"j-1","JobState":{"New":"Running"},"Event":{"Details":{"a":"b"}},"Time":"2024-07-02T14:26:57Z"}'
)
NODE = '{"Info":{"NodeID":"n-1","NodeType":"Compute"},"Membership":"APPROVED","Connection":"CONNECTED"}'
LISTS = {"Jobs": JOB, "Executions": EXECUTION, "History": EVENT, "Nodes": NODE}


@pytest.mark.parametrize(
    ("answer", "good", "bad"),
    [
        ("Executions", ":7}", ':"Failed"}'),
        ("Executions", ":7}", ":7.0}"),
        ("Jobs", ":1}", ":1719930417160015000.0}"),
        ("Jobs", ":1}", ":1e18}"),
        ("Jobs", ":1}", ':"1"}'),
        ("Jobs", '"Failed"', "7"),
        ("Jobs", '"Engine"', '"Motor"'),
        ("Jobs", '"wasm"}', '"wasm"},"Network":{"Type":""}'),
        ("Jobs", '"wasm"}', '"wasm"},"Network":{"Type":"Bridge"}'),
        ("Jobs", '"wasm"}', '"wasm"},"Resources":{"CPU":1}'),
        ("History", "57Z", "57"),
        ("History", '"JobState"', '"State"'),
        ("History", '"b"', "true"),
        ("Nodes", '"Compute"', '"Both"'),
    ],
)
def test_reader_refuses_what_the_command_refuses(answer: str, good: str, bad: str):
    name = "Nodes" if answer == "Nodes" else "Items"
    text = f'{{"NextToken":"","{name}":[{LISTS[answer]}]}}'
    ANSWERS[answer](parsed(text.encode()), "")
    assert good in text
    with pytest.raises(Refused):
        ANSWERS[answer](parsed(text.replace(good, bad).encode()), "")


def test_reader_takes_what_the_command_takes():
    found = ANSWERS["Jobs"](parsed(f'{{"items":[{JOB}],"More":1}}'.encode()), "")
    assert found["Items"][0]["State"] == {"StateType": "Failed"}
    assert ANSWERS["Executions"](parsed(b'{"Items":null}'), "")["Items"] == []
    assert ANSWERS["Version"](parsed(b'{"BuildDate":"2024-06-28T10:14:58.123456+00:00"}'), "")["BuildDate"]
