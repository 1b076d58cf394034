"""A Keras callback that keeps the weights of epochs. Imports Keras."""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import keras


class Snapshots(keras.callbacks.Callback):
    """Keep the weights of a fit by epoch, for TrainingDisplay.

    Parameters
    ----------
    every : int, default=1
        Keep those of each so many epochs, and those before the first one.

    Attributes
    ----------
    kept_ : dict of int to list of ndarray
        Weights by epoch, counted from 1; those before training by 0. They are found
        on the copy of the callback in `callbacks_` of the fitted estimator.

    See Also
    --------
    TrainingDisplay : Draws what they make of samples.

    Examples
    --------
    >>> from skae.plotting import Snapshots
    >>> Snapshots(every=5).every
    5
    """

    def __init__(self, every=1):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(
                "Expected every to be a number of epochs, 1 or more. Received "
                f"{every!r}."
            )
        self.every = every

    def on_train_begin(self, logs=None):
        """Keep the weights before training.

        Parameters
        ----------
        logs : dict, default=None
            Not used, as Keras gives it.
        """
        self.kept_ = {0: self.model.get_weights()}

    def on_epoch_end(self, epoch, logs=None):
        """Keep the weights of this epoch, if it is one of those.

        Parameters
        ----------
        epoch : int
            The epoch, counted from 0.

        logs : dict, default=None
            Not used, as Keras gives it.
        """
        if (epoch + 1) % self.every == 0:
            self.kept_[epoch + 1] = self.model.get_weights()
