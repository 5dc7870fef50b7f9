"""The Python packages of Bacalhau, unchanged, against a real server: every call that they have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

if sys.version_info >= (3, 12):
    pytest.skip(
        "bacalhau-sdk 1.4.2 cannot be installed on Python 3.12 or later: run these tests with 3.11", allow_module_level=True
    )

from bacalhau_apiclient import ApiClient
from bacalhau_apiclient.api import compute_node_api, misc_api, ops_api, orchestrator_api, utils_api
from bacalhau_apiclient.models.api_put_job_request import ApiPutJobRequest
from bacalhau_apiclient.models.job import Job
from bacalhau_apiclient.models.spec_config import SpecConfig
from bacalhau_apiclient.models.task import Task
from bacalhau_apiclient.rest import ApiException
from bacalhau_sdk.config import init_config
from bacalhau_sdk.jobs import Jobs
from running import Running, eventually, wasm_job

from gadus import __version__


@pytest.fixture(scope="module")
def config(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The packages find the server by the environment, as their users tell them."""
    place = urlsplit(server.url)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BACALHAU_API_HOST", str(place.hostname))
        environment.setenv("BACALHAU_API_PORT", str(place.port))
        environment.setenv("BACALHAU_DIR", str(tmp_path_factory.mktemp("bacalhau")))
        yield init_config()


@pytest.fixture(scope="module")
def jobs(config: Any) -> Jobs:
    return Jobs()


@pytest.fixture(scope="module")
def client(config: Any) -> ApiClient:
    return ApiClient(config)


def request_for(*arguments: str) -> ApiPutJobRequest:
    engine = wasm_job(*arguments)["Tasks"][0]["Engine"]
    task = Task(name="main", engine=SpecConfig(type=engine["Type"], params=engine["Params"]), publisher=SpecConfig())
    return ApiPutJobRequest(job=Job(name="A", type="batch", count=1, tasks=[task]))


@pytest.fixture(scope="module")
def job_id(jobs: Jobs) -> str:
    """The id of a job that has written a line and ended with 0."""
    put = jobs.put(request_for("print", "one\n", "two\n"))
    assert put.evaluation_id
    assert put.warnings is None
    eventually(lambda: jobs.get(put.job_id).job.state.state_type in ("Completed", "Failed"))
    return str(put.job_id)


def test_job_is_got_with_all_that_is_included(jobs: Jobs, job_id: str):
    alone = jobs.get(job_id)
    assert alone.executions is None
    got = jobs.get(job_id, include="executions,history")
    assert (got.job.id, got.job.name, got.job.namespace, got.job.type) == (job_id, "A", "default", "batch")
    assert (got.job.state.state_type, got.job.tasks[0].engine.type, got.job.tasks[0].network.type) == (
        "Completed",
        "wasm",
        "None",
    )
    assert isinstance(got.job.create_time, int)
    assert got.job.modify_time > got.job.create_time
    assert got.executions.items[0].job_id == job_id
    assert got.history.items[0].type == "JobLevel"


def test_jobs_are_listed_page_by_page(jobs: Jobs, job_id: str):
    other = jobs.put(request_for("return")).job_id
    first = jobs.list(limit=1)
    assert [job.id for job in first.items] == [job_id]
    second = jobs.list(limit=5, next_token=first.next_token)
    assert [job.id for job in second.items] == [other]
    assert second.next_token == ""
    assert [job.id for job in jobs.list(limit=1, reverse=True, order_by="created_at").items] == [other]


def test_executions_have_numbers_for_states_and_what_was_written(jobs: Jobs, job_id: str):
    (one,) = jobs.executions(job_id).items
    assert (one.compute_state.state_type, one.desired_state.state_type) == (7, 2)
    assert (one.run_output.stdout, one.run_output.stderr, one.run_output.exit_code) == ("one\n", "two\n", 0)
    assert one.run_output.stdout_truncated is False
    assert isinstance(one.create_time, int)
    assert one.published_result.type == "urlDownload"


def test_history_has_events_with_states(jobs: Jobs, job_id: str):
    items = jobs.history(job_id).items
    assert {item.type for item in items} == {"ExecutionLevel"}
    assert items[-1].execution_state.new == 7
    assert items[-1].event.topic == "Publishing Results"
    assert jobs.history(job_id, event_type="job").items[-1].job_state.new == "Completed"
    execution = items[0].execution_id
    assert len(jobs.history(job_id, execution_id=execution, node_id=items[0].node_id).items) == len(items)


def test_results_are_told(jobs: Jobs, job_id: str):
    (result,) = jobs.results(job_id).items
    assert result.type == "urlDownload"
    assert result.params["URL"].endswith(".tar.gz")


def test_job_is_stopped_without_a_reason_and_with_one(jobs: Jobs):
    for reason in (None, "enough"):
        job_id = jobs.put(request_for("forever")).job_id
        assert jobs.stop(job_id, reason).evaluation_id
        eventually(lambda job_id=job_id: jobs.get(job_id).job.state.state_type == "Stopped")
        message = jobs.get(job_id).job.state.message
        assert message == (reason or "stopped by a request to the API")


def test_lists_of_nothing_are_lists(jobs: Jobs):
    job_id = jobs.put(request_for("forever")).job_id
    jobs.stop(job_id)
    assert jobs.results(job_id).items == []
    assert jobs.history(job_id, execution_id="e-none").items == []


def test_what_is_not_there_is_an_error_that_is_printed(jobs: Jobs, capsys: pytest.CaptureFixture[str]):
    assert jobs.get("j-none") is None
    assert "(404)" in capsys.readouterr().out


def test_nodes_are_listed_described_and_not_changed(client: ApiClient):
    api = orchestrator_api.OrchestratorApi(client)
    listed = api.orchestratorlist_nodes(limit=5, next_token="", reverse=False, order_by="", filter_approval="approved")
    (node,) = listed.nodes
    assert node.info.node_type == "Compute"
    assert "wasm" in node.info.compute_node_info.execution_engines
    assert node.info.compute_node_info.max_capacity.cpu > 0
    assert node.info.compute_node_info.queue_capacity is not None
    assert api.orchestratorget_node(node.info.node_id).node.info.node_id == node.info.node_id
    changed = api.orchestratorupdate_node({"action": "approve", "message": "", "nodeID": node.info.node_id}, node.info.node_id)
    assert (changed.success, "is approved already" in changed.error) == (False, True)


def test_logs_are_one_text(client: ApiClient, job_id: str):
    text = orchestrator_api.OrchestratorApi(client).orchestratorlogs(job_id, execution_id="", tail=False, follow=False)
    assert sorted(text.splitlines()) == ["one", "two"]


def test_agent_is_asked(client: ApiClient, server: Running):
    api = ops_api.OpsApi(client)
    assert "OK" in api.agentalive()
    version = api.agentversion()
    assert version.git_version == f"v{__version__}"
    node = api.agentnode()
    assert (node.node_type, node.bacalhau_version.git_version) == ("Compute", f"v{__version__}")
    assert node.node_id == utils_api.UtilsApi(client).id()
    assert api.agentdebug() is not None


def test_old_routes_are_asked(client: ApiClient, server: Running):
    api = utils_api.UtilsApi(client)
    assert api.healthz().free_space.root.all > 0
    assert __version__ in str(api.home())
    assert "OK" in str(api.livez())
    assert api.node_info().node_type == "Compute"
    asked = misc_api.MiscApi(client).api_serverversion({"client_id": "x"})
    assert asked.build_version_info.git_version == f"v{__version__}"
    assert "Executions" in compute_node_api.ComputeNodeApi(client).api_serverdebug()


def test_approval_is_refused(client: ApiClient):
    with pytest.raises(ApiException, match="409"):
        compute_node_api.ComputeNodeApi(client).api_serverapprover()
