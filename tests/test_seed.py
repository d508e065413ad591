"""Random streams: derived by name, and none disturbs another."""

import torch

from tl.seed import generator, stream, stream_seed


def test_a_seed_and_a_name_give_the_same_numbers_every_time():
    one, two = (torch.rand(5, generator=generator(3, "data/0")) for _ in range(2))
    assert torch.equal(one, two)


def test_every_name_and_every_seed_has_a_stream_of_its_own():
    names = ["init/head", "init/strategy", "data/1", "data/11", "dropout"]
    seeds = {stream_seed(seed, name) for seed in range(20) for name in names}
    assert len(seeds) == 20 * len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seed_and_name_do_not_run_together():
    assert stream_seed(1, "1/a") != stream_seed(11, "/a")


def test_inside_a_stream_the_global_generator_stands_at_its_start():
    with stream(0, "init/head"):
        inside = torch.rand(3)
    torch.rand(100)
    with stream(0, "init/head"):
        assert torch.equal(torch.rand(3), inside)
    assert torch.equal(torch.rand(3, generator=generator(0, "init/head")), inside)


def test_after_a_stream_the_global_generator_is_where_it_was():
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    with stream(0, "init/head"):
        torch.rand(1000)
    assert torch.equal(torch.rand(2), expected)


def test_a_stream_is_left_also_by_an_error():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    try:
        with stream(0, "init/head"):
            torch.rand(1)
            raise ValueError
    except ValueError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_what_one_stream_draws_does_not_shift_another():
    def head(n_drawn_by_the_strategy):
        with stream(0, "init/strategy"):
            torch.rand(n_drawn_by_the_strategy)
        with stream(0, "init/head"):
            return torch.rand(4)

    assert torch.equal(head(0), head(1000))
