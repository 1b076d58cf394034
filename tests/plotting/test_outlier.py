"""`OutlierDisplay`."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector
from skae.plotting import OutlierDisplay, ReconstructionDisplay

X, _ = load_wine(return_X_y=True, as_frame=True)
DETECTOR = AutoencoderOutlierDetector(PCA(5, random_state=0), contamination=0.1)
DETECTOR.fit(X)


@pytest.mark.parametrize("constructor", ["from_estimator", "from_predictions"])
def test_both_constructors_draw_all_rows_and_the_threshold(pyplot, constructor):
    if constructor == "from_estimator":
        display = OutlierDisplay.from_estimator(DETECTOR, X)
    else:
        display = OutlierDisplay.from_predictions(
            DETECTOR.score_samples(X), threshold=DETECTOR.offset_
        )
    inliers, outliers = (
        sum(bar.get_height() for bar in bars) for bars in display.bars_
    )
    assert outliers == (DETECTOR.predict(X) == -1).sum()
    assert inliers + outliers == len(X)
    assert display.threshold_.get_xdata()[0] == DETECTOR.offset_
    for bar in display.bars_[1]:
        assert bar.get_x() + bar.get_width() <= DETECTOR.offset_ + 1e-9


def test_any_detector_with_scores_will_do(pyplot):
    pipe = make_pipeline(StandardScaler(), IsolationForest(random_state=0)).fit(X)
    display = OutlierDisplay.from_estimator(pipe, X)
    np.testing.assert_allclose(display.scores, pipe.score_samples(X))


def test_a_row_has_its_columns_values_reconstructions_and_shares(pyplot):
    odd = X.copy()
    odd.iloc[3, 4] = 1000.0
    display = OutlierDisplay.from_estimator(DETECTOR, odd, row=3)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names[0] == X.columns[4]
    widths = [bar.get_width() for bar in display.bars_]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(DETECTOR.contributions(odd[3:4]).max())
    value, decoded = display.texts_[0].get_text().split("→")
    assert float(value) == 1000
    assert float(decoded) == pytest.approx(display.row["reconstruction"][4], rel=1e-3)
    assert "10 of 13 columns" in display.ax_.get_xlabel()


def test_all_columns_of_a_row(pyplot):
    display = OutlierDisplay.from_estimator(DETECTOR, X, row=-1, n_columns=99)
    assert display.row["position"] == len(X) - 1
    assert len(display.bars_) == 13
    assert sum(bar.get_width() for bar in display.bars_) == pytest.approx(1)


def test_a_row_is_marked_among_the_scores(pyplot):
    _, ax = pyplot.subplots()
    display = OutlierDisplay.from_estimator(DETECTOR, X, row=3, kind="scores", ax=ax)
    assert display.ax_ is ax
    assert display.mark_.get_xdata()[0] == DETECTOR.score_samples(X)[3]


def test_a_pipeline_is_explained_in_the_columns_that_the_detector_got(pyplot):
    pipe = make_pipeline(StandardScaler(), clone(DETECTOR)).fit(X)
    display = OutlierDisplay.from_estimator(pipe, X, row=0)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(display.row["values"], scaled[0])


def test_keywords_reach_the_artists(pyplot):
    display = OutlierDisplay.from_estimator(
        DETECTOR,
        X,
        bar_kwargs={"fc": "black"},
        outlier_kwargs={"fc": "red"},
        line_kwargs={"ls": ":"},
    )
    assert display.bars_[0][0].get_facecolor()[:3] == (0, 0, 0)
    assert display.bars_[1][0].get_facecolor()[:3] == (1, 0, 0)
    assert display.threshold_.get_linestyle() == ":"


def test_what_is_no_score_is_refused():
    with pytest.raises(ValueError, match="one finite score for each row"):
        OutlierDisplay.from_predictions([[1.0]])
    with pytest.raises(ValueError, match="with NaN or infinity"):
        OutlierDisplay.from_predictions([1.0, np.nan])
    with pytest.raises(ValueError, match="StandardScaler without score_samples"):
        OutlierDisplay.from_estimator(StandardScaler().fit(X), X)


def test_a_row_that_cannot_be_explained_is_refused():
    forest = IsolationForest(random_state=0).fit(X)
    with pytest.raises(ValueError, match="without contributions"):
        OutlierDisplay.from_estimator(forest, X, row=0)
    with pytest.raises(ValueError, match="one of 178 rows"):
        OutlierDisplay.from_estimator(DETECTOR, X, row=178)
    with pytest.raises(ValueError, match="kind to be one of"):
        OutlierDisplay.from_estimator(DETECTOR, X, kind="row")


def test_other_displays_draw_what_the_detector_learned(pyplot):
    display = ReconstructionDisplay.from_estimator(DETECTOR, X, random_state=0)
    latents = DETECTOR.transformer_.transform(display.X)
    np.testing.assert_allclose(
        display.X_hat, DETECTOR.transformer_.inverse_transform(latents)
    )
