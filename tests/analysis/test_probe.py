"""The linear probe against scikit-learn and known answers; control tasks; code lengths."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from analysis.probing import probe
from analysis.probing.probe import compression, control_labels, fit, online_bits, standardise


def noisy(seed, n=1000, d=32, c=4):
    """States and labels that go together loosely."""
    generator = np.random.default_rng(seed)
    states = generator.normal(size=(n, d))
    scores = states @ generator.normal(size=(d, c)) + 4 * generator.normal(size=(n, c))
    return states, scores.argmax(axis=1)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_p4_the_probe_is_scikit_learns_logistic_regression(C):
    states, labels = noisy(0)
    own = fit(states, labels, 4, C, bias_penalty=0.0)
    other = LogisticRegression(C=C, max_iter=5000).fit(states, labels)
    assert np.abs(own.W - other.coef_).max() < 2e-3
    exact = LogisticRegression(C=C, tol=1e-9, max_iter=5000).fit(states, labels)
    np.testing.assert_array_equal(own.predict(states), exact.predict(states))
    np.testing.assert_allclose(own.W, exact.coef_, atol=1e-4)
    np.testing.assert_allclose(own.b, exact.intercept_, atol=1e-4)
    np.testing.assert_allclose(
        own.log_probabilities(states), exact.predict_log_proba(states), atol=1e-3
    )


def test_a_penalised_bias_is_a_weight_of_a_constant_dimension():
    states, labels = noisy(1)
    own = fit(states, labels, 4, 0.1)
    constant = np.hstack([states, np.ones((len(states), 1))])
    other = LogisticRegression(C=0.1, tol=1e-9, max_iter=5000, fit_intercept=False)
    other.fit(constant, labels)
    np.testing.assert_allclose(np.column_stack([own.W, own.b]), other.coef_, atol=1e-4)


def test_a_class_that_is_missing_is_not_impossible():
    states, labels = noisy(6)
    learned = fit(states, labels, 5, 0.1)
    missing = np.exp(learned.log_probabilities(states)[:, 4])
    assert ((missing > 1e-6) & (missing < 0.1)).all()


def test_where_the_fit_starts_changes_nothing():
    states, labels = noisy(2)
    near = fit(states, labels, 4, 1.0)
    one, two = fit(states, labels, 4, 0.1), fit(states, labels, 4, 0.1, start=near)
    np.testing.assert_allclose(one.W, two.W, atol=1e-4)


def test_the_same_fit_twice_has_the_same_bits():
    states, labels = noisy(3)
    one, two = fit(states, labels, 4, 1.0), fit(states, labels, 4, 1.0)
    np.testing.assert_array_equal(one.W, two.W)


def test_p1_accuracy_follows_the_distance_of_two_classes():
    """h = δ·y·u + N(0, I): no probe does better than Φ(δ)."""
    found = []
    for delta in (0.0, 0.25, 0.5, 1.0, 2.0):
        generator = np.random.default_rng(1)
        y = generator.choice([-1, 1], 8000)
        states = delta * y[:, None] * np.full(64, 1 / 8) + generator.normal(size=(8000, 64))
        labels = (y > 0).astype(int)
        learned = fit(states[:4000], labels[:4000], 2, 1.0)
        found.append(learned.accuracy(states[4000:], labels[4000:]))
        assert found[-1] == pytest.approx((1 + math.erf(delta / math.sqrt(2))) / 2, abs=0.02)
    assert found == sorted(found)


def zipf_words():
    """Words of 2,000 types by Zipf's law; a state is its type's embedding and noise."""
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(2000, 128))
    shares = 1 / np.arange(1, 2001)
    types = generator.choice(2000, 20000, p=shares / shares.sum())
    of_type = (embeddings @ generator.normal(size=(128, 10))).argmax(axis=1)
    states = embeddings[types] + 0.4 * generator.normal(size=(20000, 128))
    return states, of_type[types], types, generator


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # 25 epochs are enough to memorise
@pytest.mark.parametrize("network", [False, True], ids=["linear", "MLP"])
def test_p2_a_linear_probe_is_selective_and_a_wide_network_is_not(network):
    states, labels, types, generator = zipf_words()
    control = control_labels(types, labels, generator)
    train = np.arange(20000) < 13333
    scores = []
    for wanted in (labels, control):
        if network:
            learned = MLPClassifier((1000,), max_iter=25, random_state=0)
            learned.fit(states[train], wanted[train])
            scores.append(learned.score(states[~train], wanted[~train]))
        else:
            learned = fit(states[train], wanted[train], 10, 1.0)
            scores.append(learned.accuracy(states[~train], wanted[~train]))
    task, memory = scores
    assert memory <= np.isin(types[~train], types[train]).mean()  # what was never seen is unknown
    if network:
        assert task - memory <= 0.05
    else:
        assert task >= 0.88
        assert memory <= 0.78
        assert task - memory >= 0.12


def test_a_control_label_depends_on_the_type_alone_and_is_distributed_as_the_labels_are():
    generator = np.random.default_rng(0)
    types, labels = np.arange(30000) % 10000, generator.choice(3, 30000, p=[0.7, 0.2, 0.1])
    control = control_labels(types, labels, generator)
    assert all(len(set(control[types == kind])) == 1 for kind in range(50))
    np.testing.assert_allclose(np.bincount(control) / 30000, [0.7, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize(
    ("known", "C", "low", "high"), [(True, 1.0, 8.0, 20.0), (False, 0.01, 0.95, 1.02)],
    ids=["a linear function", "random labels"],
)  # fmt: skip
def test_p3_a_code_is_short_for_what_states_tell_and_not_for_chance(known, C, low, high):
    generator = np.random.default_rng(0)
    states = generator.normal(size=(10000, 32))
    labels = (states @ generator.normal(size=(32, 4))).argmax(axis=1)
    if not known:
        labels = generator.integers(0, 4, 10000)
    bits = online_bits(states, labels, 4, C, np.arange(10000))
    assert low <= compression(bits, 10000, 4) <= high
    if not known:
        assert bits / 10000 == pytest.approx(2.0, abs=0.1)


def test_the_code_length_is_the_sum_of_its_portions():
    states, labels = noisy(4, n=1000)
    order = np.random.default_rng(0).permutation(1000)
    ends = [1, 2, 4, 8, 16, 32, 62, 125, 250, 500, 1000]
    expected = np.log2(4)
    for start, end in pairwise(ends):
        learned = fit(states[order[:start]], labels[order[:start]], 4, 0.1)
        for row in order[start:end]:
            expected -= learned.log_probabilities(states[[row]])[0, labels[row]] / np.log(2)
    assert online_bits(states, labels, 4, 0.1, order) == pytest.approx(expected, rel=1e-3)


def test_states_are_standardised_by_the_training_part_alone():
    states = np.random.default_rng(0).normal(3, 5, size=(100, 4)).astype(np.float16)
    states[:, 3] = 1  # a dimension that says nothing
    train = np.arange(100) < 60
    own = standardise(states, train)
    np.testing.assert_allclose(own[train].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(own[train].std(axis=0), [1, 1, 1, 0], atol=1e-12)
    states[~train] += 100
    np.testing.assert_array_equal(standardise(states, train)[train], own[train])


def test_the_strength_is_that_of_the_best_likelihood_on_what_is_held_out():
    states, labels = noisy(5, n=300, d=64)
    held_out = np.arange(300) % 5 == 0
    grid = (0.0001, 0.001, 0.01, 1.0)
    losses = []
    for C in grid:
        learned = fit(states[~held_out], labels[~held_out], 4, C)
        rows = learned.log_probabilities(states[held_out])
        losses.append(-rows[np.arange(60), labels[held_out]].sum())
    chosen = probe.choose_strength(states, labels, held_out, 4, grid)
    assert chosen == grid[int(np.argmin(losses))]
    assert chosen not in (grid[0], grid[-1])


@pytest.mark.slow
def test_p6_a_random_model_knows_of_order_no_more_than_its_embeddings():
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    network = BertModel(
        BertConfig(
            vocab_size=60, hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
            intermediate_size=128,
        )
    ).eval()  # fmt: skip
    ids = generator.integers(2, 50, (3000, 12))
    places = np.array([generator.choice(12, 2, replace=False) for _ in range(3000)])
    ids[np.arange(3000), places[:, 0]], ids[np.arange(3000), places[:, 1]] = 50, 51
    labels = (places[:, 0] < places[:, 1]).astype(int)  # which of two words comes first
    with torch.no_grad():
        layers = network(torch.tensor(ids), output_hidden_states=True).hidden_states
    train = np.arange(3000) < 2000
    scores = []
    for layer in layers:
        states = standardise(layer.mean(dim=1).numpy(), train)
        learned = fit(states[train], labels[train], 2, 0.1)
        scores.append(learned.accuracy(states[~train], labels[~train]))
    interval = 1.96 * math.sqrt(scores[0] * (1 - scores[0]) / 1000)
    assert all(abs(score - scores[0]) < interval for score in scores)
