"""What the settings may be, alone and together."""

import pytest

from sigrouter.settings import SettingsError, load
from sigrouter.settings.catalogue import SETTINGS
from sigrouter.settings.checks import AT_MOST, LESS, RANGES, is_loopback
from sigrouter.settings.forms import FORMS

SECRET = f"k={'s' * 32}"
PRODUCTION = {"JWT_KEYS": "a=/keys/a.pem", "RECOVERY_SECRETS": SECRET}
NUMBERS = [setting for setting in SETTINGS if setting.kind in {"whole", "number"}]


def problems_of(**environment: str) -> tuple[str, ...]:
    try:
        load(None, environment)
    except SettingsError as error:
        return error.problems
    return ()


def test_every_number_has_a_range_that_holds_its_default_and_nothing_else_has_one():
    assert set(RANGES) == {setting.key for setting in NUMBERS}
    for setting in NUMBERS:
        low, high = RANGES[setting.key]
        assert low <= setting.default <= high


def test_every_form_belongs_to_a_setting():
    assert set(FORMS) <= {setting.key for setting in SETTINGS} - set(RANGES)


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.key)
def test_a_number_beyond_its_range_is_refused_with_what_is_allowed(setting):
    low, high = RANGES[setting.key]
    for beyond in (low - 1, high + 1):
        text = f"{beyond:.0f}" if setting.kind == "whole" else repr(float(beyond))
        (problem,) = problems_of(**{setting.variable: text})
        assert problem.startswith(
            f"{setting.key} = '{text}' (from {setting.variable} in the environment) must be from "
        )


@pytest.mark.parametrize(("smaller", "greater", "why"), LESS)
def test_the_smaller_must_be_less(smaller, greater, why):
    keys = {setting.key: setting for setting in SETTINGS}
    low = max(RANGES[smaller][0], RANGES[greater][0])
    value = f"{max(low, 12):g}" if keys[smaller].kind == "number" else str(int(max(low, 2000)))
    found = [p for p in problems_of(**{keys[smaller].variable: value, keys[greater].variable: value}) if why in p]
    assert any(f"{smaller} = " in problem and f"must be less than {greater} = " in problem for problem in found)


@pytest.mark.parametrize(("smaller", "greater", "why"), AT_MOST)
def test_the_smaller_must_not_be_more(smaller, greater, why):
    keys = {setting.key: setting for setting in SETTINGS}
    values = {keys[smaller].variable: "2001", keys[greater].variable: "2000"}
    assert any(f"must not be more than {greater} = " in problem and why in problem for problem in problems_of(**values))
    assert not any(why in problem for problem in problems_of(**{**values, keys[smaller].variable: "2000"}))


def test_a_value_that_is_wrong_by_itself_starts_no_second_problem():
    assert len(problems_of(DRAIN_SECONDS="-5")) == 1
    assert len(problems_of(SIGROUTER_LIMITS_BYTES_BURST="x")) == 1
    assert len(problems_of(JWT_KEYS="a=", HOST="0.0.0.0")) == 1
    assert len(problems_of(HOST="a b")) == 1
    assert len(problems_of(REDIS_HOST="a b", STORE="redis")) == 1


def test_the_two_ports_must_differ_unless_any_free_one_is_asked_for():
    assert "must differ" in problems_of(PORT="4002")[0]
    assert problems_of(PORT="0", ADMIN_PORT="0") == ()


def test_the_drain_under_plain_crossbar_must_end_before_crossbar_kills():
    assert problems_of(SIGROUTER_DRAIN_PLAIN_BUDGET_S="20") != ()
    assert problems_of(SIGROUTER_DRAIN_PLAIN_BUDGET_S="19.9") == ()


def test_a_drain_of_fifteen_seconds_works():
    assert problems_of(DRAIN_SECONDS="15") == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "127.0.0.1.example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("variable", ["HOST", "ADMIN_HOST"])
def test_with_keys_that_it_made_itself_a_node_listens_on_loopback_only(variable):
    assert "must be loopback" in problems_of(**{variable: "0.0.0.0"})[0]
    assert problems_of(**{variable: "0.0.0.0"}, **PRODUCTION) == ()


def test_production_needs_recovery_secrets_and_says_why():
    (problem,) = problems_of(JWT_KEYS="a=/a.pem", REDIS_HOST="r")
    assert "recovery.secrets (from the default) must be set" in problem
    assert "the nodes must share them" in problem
    (problem,) = problems_of(JWT_JWKS_FILE="/jwks.json")
    assert "survive a restart" in problem
    assert problems_of(JWT_KEYS="a=/a.pem", RECOVERY_SECRETS=SECRET) == ()


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("POD_NAME", "a b", "must be 1 to 253 letters"),
        ("STACK", "blue/green", "must be 1 to 253 letters"),
        ("HOST", "http://x", "without port or scheme"),
        ("PUBLIC_URL", "https://x", "must be empty or like wss://"),
        ("ALLOWED_ORIGINS", "https://a.example,b.example", "not 'b.example'"),
        ("STORE", "postgres", "must be one of memory, redis"),
        ("JWT_JWKS_FILE", "https://x/jwks.json", "must be a file, not a URL"),
        ("JWT_KEYS", "a=", "must hold PEM files as kid=path or path"),
        ("JWT_KEYS", "my key.pem", "must hold PEM files as kid=path or path"),
        ("JWT_KEYS", "a=/x.pem,/y/a.pem", "must hold each kid once"),
        ("RECOVERY_SECRETS", "s" * 40, "number 1 is not"),
        ("RECOVERY_SECRETS", f"{SECRET},b=short", "number 2 is shorter"),
        ("RECOVERY_SECRETS", f"{SECRET},{SECRET}", "must hold each kid once"),
        ("SIGROUTER_AUTH_COOKIE", "a;b", "must be a cookie's name"),
        ("SIGROUTER_AUTH_AUDIENCE", "a\nb", "must not hold control characters"),
        ("SIGROUTER_AUTH_AUDIENCE", "a" * 5000, "must not be longer than 4096 characters"),
    ],
)
def test_a_text_of_another_form_is_refused_with_what_is_allowed(variable, text, words):
    found = problems_of(**{variable: text})
    assert any(words in problem and variable in problem for problem in found)


def test_a_path_with_an_equals_sign_is_a_path():
    assert load(None, {**PRODUCTION, "JWT_KEYS": "/keys/a=b/main.pem"}).auth.keys == ("/keys/a=b/main.pem",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[auth]\naudience = ''", "must not be empty"),
        ("[node]\nstate_dir = ''", "must not be empty"),
        ("[node]\nport = true", "must be a whole number"),
        ("[node]\nhost = 1", "must be a text (in quotes)"),
        ("[node]\nallowed_origins = 'https://a.example'", "must be a list of texts"),
        ("[node]\nallowed_origins = [1]", "must be a list of texts"),
        ("[drain]\nbudget_s = '30'", "must be a number (without quotes)"),
        ("[drain]\nbudget_s = nan", "must be a finite number"),
        (f"[drain]\nbudget_s = {'9' * 400}", "must be a finite number"),
    ],
)
def test_a_toml_value_of_another_type_is_refused_with_what_is_allowed(line, words):
    with pytest.raises(SettingsError) as caught:
        load(line, {})
    (problem,) = caught.value.problems
    assert words in problem
    assert "(from the TOML file)" in problem


def test_a_whole_number_is_taken_where_a_number_is_meant():
    budget = load("[drain]\nbudget_s = 25\n", {}).drain.budget_s
    assert budget == 25.0
    assert isinstance(budget, float)
