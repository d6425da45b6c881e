import pytest
from pydantic import ValidationError

from soundmind_pipeline.problems.construction.params import ColloquializationParams, EndpointParams, TeacherParams


@pytest.mark.parametrize("url", ["ftp://a", "api.deepseek.com", "", "https://"])
def test_an_address_must_be_one(url):
    with pytest.raises(ValidationError, match="base_url"):
        EndpointParams(base_url=url)


@pytest.mark.parametrize(
    "values",
    [
        {"api_key_env": "sk-0123456789abcdef"},
        {"api_key_env": "0123456789ABCDEF"},
        {"base_url": "https://me:sk-0123456789abcdef@host/v1"},
        {"base_url": "https://host/v1?key=sk-0123456789abcdef"},
    ],
)
def test_a_key_in_the_parameters_is_refused(values):
    with pytest.raises(ValidationError) as error:
        EndpointParams(**values)
    assert [item["type"] for item in error.value.errors()] == ["hidden_input"]


def test_the_address_without_its_last_slash_and_the_host():
    params = EndpointParams(base_url="http://localhost:8000/v1/")
    assert (params.base_url, params.host) == ("http://localhost:8000/v1", "localhost:8000")


def test_the_body_may_not_overwrite_what_the_client_sends():
    with pytest.raises(ValidationError, match="may not hold max_tokens, messages"):
        EndpointParams(extra_body={"messages": [], "max_tokens": 5, "top_k": 3})


@pytest.mark.parametrize("wordings", [(), ("published", "published"), ("mine",)])
def test_wordings(wordings):
    with pytest.raises(ValidationError, match="wordings"):
        ColloquializationParams(wordings=wordings)


def test_an_unknown_key_is_named():
    with pytest.raises(ValidationError, match="temprature"):
        TeacherParams(endpoint={"temprature": 1.0})
