"""Which worker a client gets, and in which order the clients are served."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from sigrouter.machines.pairing import Match, Wish, Worker, can_serve, choose, match

ANY: frozenset[str] = frozenset()


def worker(session_id: str, capacity: int = 1, load: int = 0, turn: int = 1, *, abilities: str = "") -> Worker:
    """A connected worker; each letter of ``abilities`` is one."""
    return Worker(session_id, frozenset(abilities), capacity, load, connected=True, turn=turn)


def test_without_workers_nobody_is_chosen():
    assert choose([], ANY) is None
    assert match([Wish("client", ANY)], []) == ()


def test_without_wishes_nobody_is_matched():
    assert match([], [worker("one")]) == ()


def test_a_worker_needs_every_ability_that_is_asked_for():
    assert can_serve(worker("one", abilities="ab"), frozenset("a"))
    assert can_serve(worker("one", abilities="ab"), frozenset("ab"))
    assert not can_serve(worker("one", abilities="ab"), frozenset("abc"))


def test_a_worker_without_a_free_slot_or_a_connection_serves_nobody():
    assert not can_serve(worker("full", capacity=2, load=2), ANY)
    assert not can_serve(worker("closed", capacity=0), ANY)
    assert not can_serve(worker("shrunk", capacity=1, load=3), ANY)
    assert not can_serve(evolve(worker("away"), connected=False), ANY)


def test_the_least_loaded_for_its_capacity_is_chosen():
    half = worker("half", capacity=2, load=1, turn=1)
    third = worker("third", capacity=3, load=1, turn=2)
    assert choose([half, third], ANY) is third


def test_of_equally_loaded_workers_the_longest_waiting_one_is_chosen():
    assert choose([worker("b", turn=5), worker("a", turn=7), worker("c", turn=6)], ANY) == worker("b", turn=5)


def test_whoever_came_first_is_served_first():
    served = match([Wish("first", ANY), Wish("second", ANY)], [worker("one")])
    assert served == (Match("first", "one"),)


def test_a_wish_that_nobody_can_serve_holds_up_no_later_one():
    wishes = [Wish("rare", frozenset("v")), Wish("plain", frozenset("t")), Wish("rare too", frozenset("v"))]
    assert match(wishes, [worker("one", 3, abilities="t")]) == (Match("plain", "one"),)


def test_an_assignment_counts_for_the_next_choice():
    workers = [worker("one", 2, turn=1), worker("two", 2, turn=2)]
    served = match([Wish(str(n), ANY) for n in range(5)], workers)
    assert [each.worker_id for each in served] == ["one", "two", "one", "two"]


ABILITIES = st.frozensets(st.sampled_from("abc"))
WORKERS = st.lists(
    st.builds(
        Worker,
        session_id=st.uuids().map(str),
        abilities=ABILITIES,
        capacity=st.integers(0, 4),
        load=st.integers(0, 4),
        connected=st.booleans(),
        turn=st.integers(0, 3),
    ),
    max_size=6,
)
WISHES = st.lists(ABILITIES, max_size=12).map(lambda asked: [Wish(str(n), each) for n, each in enumerate(asked)])


@given(WORKERS, ABILITIES)
def test_the_choice_is_able_and_nobody_able_is_less_loaded_or_waits_longer(
    workers: list[Worker], asked: frozenset[str]
):
    chosen = choose(workers, asked)
    able = [each for each in workers if can_serve(each, asked)]
    if chosen is None:
        assert able == []
        return
    assert chosen in able
    for each in able:
        # Without division: a/b <= c/d for positive b and d.
        assert chosen.load * each.capacity <= each.load * chosen.capacity
        if chosen.load * each.capacity == each.load * chosen.capacity:
            assert chosen.turn <= each.turn


@given(WORKERS, ABILITIES, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_workers(workers: list[Worker], asked: frozenset[str], random):
    shuffled = list(workers)
    random.shuffle(shuffled)
    assert choose(workers, asked) == choose(shuffled, asked)


@given(WISHES, WORKERS)
def test_no_worker_gets_more_than_its_free_slots_nor_what_it_cannot_do(wishes: list[Wish], workers: list[Worker]):
    served = match(wishes, workers)
    asked = {wish.client_id: wish.abilities for wish in wishes}
    assert len({each.client_id for each in served}) == len(served)
    for one in workers:
        mine = [each for each in served if each.worker_id == one.session_id]
        assert len(mine) <= max(0, one.capacity - one.load)
        assert all(can_serve(one, asked[each.client_id]) for each in mine)


@given(WISHES, WORKERS)
def test_to_serve_many_is_to_serve_one_after_the_other(wishes: list[Wish], workers: list[Worker]):
    now = {one.session_id: one for one in workers}
    expected = []
    for turn, wish in enumerate(wishes, start=4):
        one = choose(now.values(), wish.abilities)
        if one is not None:
            now[one.session_id] = evolve(one, load=one.load + 1, turn=turn)
            expected.append(Match(wish.client_id, one.session_id))
    assert match(wishes, workers) == tuple(expected)
