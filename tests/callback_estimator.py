"""An autoencoder in the place of the estimator of scikit-learn's callback tests."""

import numpy as np
from sklearn.datasets import make_regression

from skae import AutoencoderTransformer, DenseNetwork


class MaxIterEstimator(AutoencoderTransformer):
    """Has the parameters of theirs, predicts, and does without data."""

    _parameter_constraints: dict = {}

    def __init__(self, max_iter=20, computation_intensity=0.001):
        # A constant rate, so that fewer epochs are the first ones of more.
        super().__init__(
            1,
            network=DenseNetwork((4,)),
            learning_rate="constant",
            arrange=None,
            epochs=max_iter,
            random_state=0,
        )
        self.max_iter = max_iter
        self.computation_intensity = computation_intensity

    def fit(self, X=None, y=None, *, sample_weight=None):
        if X is None:
            X, y = make_regression(n_samples=100, n_features=2, random_state=0)
        return super().fit(X, y, sample_weight=sample_weight)

    def predict(self, X):
        return np.mean(self.transform(X), axis=1)
