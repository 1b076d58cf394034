"""Parameters that say two things, and schedules that stop too early: told or mended."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from small import python, small, small_conv

from skae import (
    AutoencoderClusterer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvNetwork,
    Denoising,
    DenseNetwork,
)

X = (load_digits().data[:200] / 16).astype(np.float32)


def test_early_stopping_waits_for_the_learning_rate_to_rise():
    ae = small(early_stopping=True, epochs=1000, n_iter_no_change=10).fit(X[:40])
    assert ae.n_iter_ >= 100 + 10
    assert -ae.score(X[:40]) < X[:40].var()


@pytest.mark.parametrize("rate", [0.01, "constant"])
def test_without_a_warm_up_patience_counts_at_once(rate):
    ae = small(
        early_stopping=True,
        n_iter_no_change=10,
        epochs=300,
        learning_rate=rate,
        tol=0.99,
    )
    assert ae.fit(X).n_iter_ <= 12


def test_a_sample_validated_on_itself_is_told():
    with pytest.warns(UserWarning, match="validated on themselves.*early_stopping"):
        small(early_stopping=True).fit(X[:1])


def optimizer(rate, **params):
    keras = pytest.importorskip("keras")
    return keras.optimizers.Adam(rate, **params)


def test_of_two_learning_rates_the_one_taken_is_told():
    words = r"learning_rate=0\.01 is taken, and not the 0\.001 of the.*'auto'"
    with pytest.warns(UserWarning, match=words):
        small(optimizer=optimizer(1e-3), learning_rate=0.01).fit(X)
    with pytest.warns(UserWarning, match=r"learning_rate_init=0\.003.*not the 0\.05"):
        small(optimizer=optimizer(0.05), learning_rate="cosine").fit(X)


@pytest.mark.parametrize("rate", ["auto", 0.01, "cosine"])
def test_one_learning_rate_is_enough(rate):
    made = optimizer(0.01 if rate == 0.01 else 1e-3)
    small(optimizer=made, learning_rate=rate).fit(X)


def test_verbose_2_writes_a_line_for_each_epoch(capsys):
    small(verbose=2, early_stopping=True).fit(X)
    out, err = capsys.readouterr()
    assert [line.split(" - ")[0] for line in out.splitlines()] == [
        "Epoch 1/3", "Epoch 2/3", "Epoch 3/3",
    ]  # fmt: skip
    assert "loss: 0." in out
    assert "val_loss: 0." in out
    assert not err


@pytest.mark.parametrize("kind", [AutoencoderTransformer, DenseNetwork, ConvNetwork])
def test_only_the_first_argument_goes_by_position(kind):
    kind((8,))
    with pytest.raises(TypeError, match="positional"):
        kind((8,), (9,))


# ------------------------------------------------------------- TensorFlow's own ways


def total(x, outputs):
    import tensorflow as tf

    return tf.reduce_mean((x - outputs) ** 2)


@pytest.mark.parametrize("weight", [None, np.full(200, 2.0)])
def test_a_loss_of_one_number_a_batch_is_that_of_its_samples(weight):
    ae = small_conv(loss=total).fit(X, sample_weight=weight)
    expected = small_conv(loss="mse").fit(X, sample_weight=weight)
    assert_allclose(ae.history_["loss"], expected.history_["loss"], rtol=1e-4)
    keras = pytest.importorskip("keras")

    class Total(keras.losses.Loss):
        def call(self, x, outputs):
            return total(x, outputs)

    ae = small_conv(loss=Total()).fit(X, sample_weight=weight)
    assert_allclose(ae.history_["loss"], expected.history_["loss"], rtol=1e-4)


def test_a_call_inside_of_a_graph_is_refused_in_words():
    tf = pytest.importorskip("tensorflow")
    ae, words = small_conv().fit(X), r"eager execution.*tf\.function.*encoder_"

    @tf.function(autograph=False)
    def traced():
        ae.transform(X)

    for fit in (ae.fit, small_conv(latent_dim=2).fit, ae.transform):
        with pytest.raises(RuntimeError, match=words), tf.Graph().as_default():
            fit(X)
    with pytest.raises(RuntimeError, match=words):
        traced()
    ae.fit(X)  # nothing was left in halves


@pytest.mark.long
@pytest.mark.versions
def test_without_eager_execution_there_are_words():
    code = """
import json, warnings
warnings.simplefilter("ignore")
import numpy as np, tensorflow as tf
tf.compat.v1.disable_eager_execution()
from skae import AutoencoderTransformer
try:
    AutoencoderTransformer(network="conv", epochs=1).fit(np.eye(8, dtype="f4"))
except RuntimeError as error:
    print(json.dumps(str(error)))
"""
    assert "eager execution" in python(code, warnings="ignore")


class Places:
    """An objective that asks for places, and looks at the end."""

    def places(self, epoch, view):
        return view.encode_all(), 1.0

    def end(self, view):
        pass


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"objective": Places()}, "not `places` and `end` of the objective"),
        ({"objective": [Denoising(0.1), Places()]}, "not `places` and `end`"),
        ({"callbacks": []}, "calls no callbacks. Use `fit`"),
        ({"callbacks": [], "objective": Places()}, "no callbacks, and not `places`"),
    ],
)
def test_what_partial_fit_calls_not_is_told(params, words):
    with pytest.warns(UserWarning, match=words):
        small(**params).partial_fit(X)


def test_an_output_that_is_chosen_later_is_taken():
    """As other activations are; "auto" stays what it was decided to be."""
    ae = small(warm_start=True).fit(X)
    assert ae.output_activation_ == "sigmoid"
    assert ae.fit(X / 2).output_activation_ == "sigmoid"
    ae.set_params(output_activation="linear").partial_fit(X)
    assert ae.output_activation_ == ae.fit(X).output_activation_ == "linear"
    scaled = small(warm_start=True).fit(X * np.logspace(0, 3, X.shape[1]))
    with pytest.raises(ValueError, match=r"'sigmoid' does not go with .*Set it back"):
        scaled.set_params(output_activation="sigmoid").fit(X)


@pytest.mark.parametrize(
    "estimator", [AutoencoderClusterer(2), AutoencoderOutlierDetector()]
)
def test_missing_values_are_refused_with_a_way_out(estimator):
    with pytest.raises(ValueError, match=r"contains NaN.*(?s:.)*with an imputer"):
        estimator.fit(np.where(X > 0.9, np.nan, X))
    fitted = estimator.fit(X)
    with pytest.raises(ValueError, match=r"contains NaN.*(?s:.)*with an imputer"):
        fitted.predict(np.where(X > 0.9, np.nan, X))
