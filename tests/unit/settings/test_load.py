"""Loading: where a value comes from, and that everything wrong is said at once and in words."""

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigrouter.settings import Settings, SettingsError, load, load_with_sources
from sigrouter.settings.catalogue import SETTINGS, SHORT_NAMES, VARIABLES

PRODUCTION = {"JWT_KEYS": "a=/keys/a.pem", "RECOVERY_SECRETS": f"k1={'s' * 32}"}


def problems_of(toml_text: str | None = None, environment: Mapping[str, str] | None = None, hostname: str = "h") -> str:
    with pytest.raises(SettingsError) as caught:
        load(toml_text, environment or {}, hostname)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return str(caught.value)


def test_nothing_given_is_one_memory_node_for_development_on_loopback():
    settings = load(None, {}, "pod-7")
    assert settings.development
    assert settings.node.node_id == "pod-7"
    assert settings.store.kind == "memory"
    assert settings.node.host == "127.0.0.1"


def test_a_long_variable_wins_over_a_short_one_that_over_the_file_and_that_over_the_default():
    text = "[node]\nport = 1\n"
    assert load("", {}).node.port == 4001
    assert load(text, {}).node.port == 1
    assert load(text, {"PORT": "2"}).node.port == 2
    assert load(text, {"PORT": "2", "SIGROUTER_NODE_PORT": "3"}).node.port == 3


def test_the_sources_tell_where_each_value_came_from():
    loaded = load_with_sources("[node]\nport = 1\n", {"ADMIN_PORT": "2", "REDIS_HOST": "r"}, "h")
    assert loaded.sources["node.port"] == "the TOML file"
    assert loaded.sources["node.admin_port"] == "ADMIN_PORT in the environment"
    assert loaded.sources["node.host"] == "the default"
    assert loaded.sources["node.node_id"] == "the host's name"
    assert loaded.sources["store.kind"] == "store.redis_host"
    assert set(loaded.sources) == {setting.key for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_can_be_set_by_its_long_variable(setting):
    given_as = {
        "node.node_id": "n1",
        "node.host": "::1",
        "node.admin_host": "localhost",
        "node.url": "wss://sig.example.org/ws",
        "node.allowed_origins": "https://a.example, https://*.b.example:*",
        "node.log_level": "debug",
        "store.kind": "redis",
        "auth.keys": "k=/a.pem,/b.pem",
        "auth.jwks": "/jwks.json",
        "recovery.secrets": f"a={'x' * 32},b={'y' * 32}",
        "store.redis_timeout_s": "1.5",
        "drain.plain_budget_s": "12.5",
        "limits.bytes_per_s": "1500.5",
    }.get(setting.key)
    if given_as is None:
        given_as = {"text": "other", "whole": "1500", "number": "11.5", "texts": "a,b"}[setting.kind]
    companions = {
        "store.kind": {"REDIS_HOST": "redis"},
        "auth.keys": {"RECOVERY_SECRETS": PRODUCTION["RECOVERY_SECRETS"]},
        "auth.jwks": {"RECOVERY_SECRETS": PRODUCTION["RECOVERY_SECRETS"]},
        "recovery.token_ttl_s": {"SIGROUTER_SESSION_HEARTBEAT_S": "1", "SIGROUTER_RECOVERY_WINDOW_S": "10.1"},
        "drain.window_initial": {"SIGROUTER_DRAIN_WINDOW_MAX": "2000"},
        "pairing.queue_deadline_max_s": {"SIGROUTER_PAIRING_QUEUE_DEADLINE_S": "1"},
        "limits.bytes_burst": {"SIGROUTER_LIMITS_MESSAGE_BYTES": "1024"},
        "limits.unsent_bytes": {"SIGROUTER_LIMITS_MESSAGE_BYTES": "1024"},
    }.get(setting.key, {})
    settings = load(None, {setting.variable: given_as, **companions})
    value = getattr(getattr(settings, setting.section), setting.name)
    expected = {
        "text": lambda text: text,
        "whole": int,
        "number": float,
        "texts": lambda text: tuple(part.strip() for part in text.split(",")),
    }[setting.kind](given_as)
    assert value == expected
    assert value != setting.default


@pytest.mark.parametrize(("short", "key"), SHORT_NAMES.items())
def test_every_short_name_sets_its_setting(short, key):
    text = {
        "PORT": "5001", "ADMIN_PORT": "5002", "HOST": "localhost", "ADMIN_HOST": "::1", "PUBLIC_URL": "ws://h/ws",
        "ALLOWED_ORIGINS": "https://a.example", "LOG_LEVEL": "warn", "STORE": "memory", "REDIS_PORT": "7", "REDIS_DB": "7",
        "DRAIN_SECONDS": "15",
    }.get(short, "some-name")  # fmt: skip
    if short == "RECOVERY_SECRETS":
        text = PRODUCTION[short]
    loaded = load_with_sources(None, {**PRODUCTION, short: text} if short.startswith("JWT_A") else
                               {"RECOVERY_SECRETS": PRODUCTION["RECOVERY_SECRETS"], short: text})  # fmt: skip
    section, name = key.split(".")
    value = getattr(getattr(loaded.settings, section), name)
    assert (
        ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    ) == text
    assert loaded.sources[key] == f"{short} in the environment"


def test_all_problems_are_said_at_once():
    text = problems_of(
        "[node]\nprot = 1\nport = '80'\n[lmits]\n[store]\nredis_db = 1.5\n",
        {"LOG_LEVEL": "loud", "HOST": "0.0.0.0", "SIGROUTER_SESION_SWEEP_S": "1", "PORT": "x", "ADMIN_PORT": "70000"},
    )
    for words in (
        "node.prot (in the TOML file) is not a setting; did you mean 'port'?",
        "[lmits] (in the TOML file) is not a section; did you mean 'limits'?",
        "store.redis_db = 1.5 (from the TOML file) must be a whole number",
        "node.log_level = 'loud' (from LOG_LEVEL in the environment) must be one of error, warn, info, debug",
        "node.host = '0.0.0.0' (from HOST in the environment) must be loopback",
        "SIGROUTER_SESION_SWEEP_S (in the environment) is not a setting; did you mean 'SIGROUTER_SESSION_SWEEP_S'?",
        "node.port = 'x' (from PORT in the environment) must be a whole number",
        "node.admin_port = '70000' (from ADMIN_PORT in the environment) must be from 0 to 65535",
    ):
        assert words in text
    assert len(text.splitlines()) == 8


def test_a_name_without_a_near_one_gets_no_hint():
    assert problems_of("[node]\nqqqq = 1\n") == "node.qqqq (in the TOML file) is not a setting"


def test_a_section_that_is_a_value_is_named():
    assert problems_of("node = 3\n") == "node (in the TOML file) must be a section: [node]"


def test_development_cannot_be_set():
    assert "development (in the TOML file)" not in problems_of("[development]\n")
    assert "[development]" in problems_of("[development]\n")


@pytest.mark.parametrize("text", ["[node", "a = " + "[" * 5000, "a = " + "1" * 5000, "\ud800 = 1", "\x00"])
def test_a_file_that_is_no_toml_is_a_problem_beside_those_of_the_environment(text):
    words = problems_of(text, {"PORT": "x"})
    assert "The TOML file cannot be read" in words
    assert "PORT" in words


def test_an_empty_variable_counts_as_not_set():
    settings = load("[node]\nport = 1\n", {"PORT": "", "SIGROUTER_NODE_PORT": "  ", "REDIS_PASSWORD": ""})
    assert settings.node.port == 1


def test_the_service_links_of_kubernetes_are_no_settings():
    links = {
        "REDIS_PORT": "tcp://10.0.0.5:6379",
        "SIGROUTER_PORT": "tcp://10.0.0.6:80",
        "SIGROUTER_SERVICE_HOST": "10.0.0.6",
        "SIGROUTER_NODE_SERVICE_PORT_WS": "4001",
        "SIGROUTER_NODE_PORT": "tcp://10.0.0.7:80",
        "SIGROUTER_NODE_PORT_4001_TCP": "tcp://10.0.0.7:4001",
        "SIGROUTER_NODE_PORT_4001_TCP_PORT": "4001",
        "SIGROUTER_ADMIN_PORT": "tcp://10.0.0.8:80",
    }
    assert load(None, links) == load(None, {})


def test_variables_of_others_are_left_alone():
    assert load(None, {"PATH": "/bin", "SIGROUTER_TEST_SLOW": "1", "NODE_PORTS": "1"}) == load(None, {})


def test_an_unknown_variable_of_a_section_is_a_problem():
    assert "SIGROUTER_NODE_COLOUR (in the environment) is not a setting" in problems_of(
        None, {"SIGROUTER_NODE_COLOUR": "x"}
    )


def test_two_short_names_of_one_setting_must_not_differ():
    both = {**PRODUCTION, "JWT_PUBLIC_KEY_FILE": "/keys/b.pem"}
    assert "auth.keys: JWT_KEYS and JWT_PUBLIC_KEY_FILE (in the environment) set it twice" in problems_of(None, both)
    assert load(None, {**both, "JWT_PUBLIC_KEY_FILE": both["JWT_KEYS"]}).auth.keys == ("a=/keys/a.pem",)
    assert load(None, {**both, "SIGROUTER_AUTH_KEYS": "c=/c.pem"}).auth.keys == ("c=/c.pem",)


def test_a_host_name_that_cannot_be_a_node_id_is_a_problem():
    words = problems_of(None, {}, "")
    assert words.startswith("node.node_id = '' (from the host's name) must be 1 to 253 letters")


def test_the_store_is_redis_when_a_redis_host_is_given():
    assert load(None, {"REDIS_HOST": "redis"}).store.kind == "redis"
    assert load(None, {"REDIS_HOST": "redis", "STORE": "memory"}).store.kind == "memory"
    assert "store.redis_host = '' (from the default) must name the Redis host" in problems_of(None, {"STORE": "redis"})
    assert len(problems_of(None, {"REDIS_HOST": "a b"}).splitlines()) == 1


def test_no_secret_stands_in_a_problem_or_in_the_settings_own_text():
    secret = "0123456789abcdefHUSHHUSHHUSHHUSH="
    for environment in (
        {"RECOVERY_SECRETS": secret},
        {"RECOVERY_SECRETS": f"k=HUSH,{secret}"},
        {"RECOVERY_SECRETS": f"k={secret},k={secret}"},
        {"REDIS_PASSWORD": "HUSH\x01"},
        {"REDIS_HOST": "redis://:HUSH@redis:6379"},
    ):
        assert "HUSH" not in problems_of(None, environment)
    assert "HUSH" not in problems_of('[recovery]\nsecrets = "HUSH"\n[store]\nredis_password = ["HUSH"]\n')
    settings = load(None, {**PRODUCTION, "RECOVERY_SECRETS": f"k={secret}", "REDIS_PASSWORD": "HUSH"})
    assert "HUSH" not in repr(settings)


def test_a_long_value_is_shortened_in_the_problem():
    words = problems_of(None, {"PORT": "9" * 500})
    assert "..." in words
    assert len(words) < 200


def test_with_jwt_keys_the_node_may_listen_anywhere():
    settings = load(None, {**PRODUCTION, "HOST": "0.0.0.0", "ADMIN_HOST": "::"})
    assert not settings.development
    assert not load(None, {"JWT_JWKS_FILE": "/j", "RECOVERY_SECRETS": PRODUCTION["RECOVERY_SECRETS"]}).development


def settings_or_problems(
    toml_text: str | None, environment: Mapping[str, str], hostname: str
) -> Settings | tuple[str, ...]:
    try:
        return load(toml_text, environment, hostname)
    except SettingsError as error:
        return error.problems


def settings_texts() -> st.SearchStrategy[str]:
    return st.one_of(
        st.text(max_size=30),
        st.integers().map(str),
        st.floats().map(str),
        st.sampled_from(
            ["redis", "memory", "127.0.0.1", "0.0.0.0", "a=b", f"k={'s' * 32}", "tcp://1:2", ",,", "wss://x"]
        ),
    )


@given(
    st.dictionaries(
        st.sampled_from(sorted(VARIABLES)) | st.text(max_size=30).map("SIGROUTER_".__add__), settings_texts()
    ),
    st.text(max_size=20),
)
@example({"SIGROUTER_DRAIN_SETTLE_S": "1e999"}, "h")
@example({"PORT": "٣"}, "h")
def test_any_environment_gives_settings_or_problems_in_words(environment, hostname):
    settings = settings_or_problems(None, environment, hostname)
    if isinstance(settings, Settings):
        assert settings.node.node_id
        assert settings.store.kind in {"memory", "redis"}
    else:
        assert settings
        assert all(problem.strip() for problem in settings)


toml_values = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        ["inf", "nan", "1e308", "9" * 400, "[]", '["a", 1]', "[[]]", "{a = 1}", "1979-05-27", '""', '"\\u0000"']
    ),
    st.from_regex(r'"[a-z=/.:]{0,20}"', fullmatch=True),
)


@given(st.dictionaries(st.sampled_from(SETTINGS), toml_values, max_size=8))
def test_any_toml_file_gives_settings_or_problems_in_words(values):
    sections: dict[str, list[str]] = {}
    for setting, value in values.items():
        sections.setdefault(setting.section, []).append(f"{setting.name} = {value}")
    text = "\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in sections.items())
    answer = settings_or_problems(text, {}, "h")
    assert answer
    assert isinstance(answer, Settings) or "cannot be read" not in "".join(answer)
