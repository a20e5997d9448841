"""Parameters of training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """What a model is trained with; numbers only, as a model's file holds them.

    Attributes:
        seed: of all that is random.
        rank: of the factors of recommendations.
        iterations: over courses and students.
        alpha: weight of a strength of 1 beside that of a course not taken, 1.
        regularization: ridge for each unit of weight.
        prior_weight: what the most popular course gets on top of its score. It helps who has rated a course or three;
            students of whom more is known are served as well without it.
        clusters: at most so many.
        completion_regularization: of the logistic regression, on scaled features.
        rating_rank: of the factors of ratings.
        rating_iterations: over courses and students.
        rating_regularization: ridge of the factors of ratings.
        rating_shrinkage: how many ratings without bias each bias is drawn towards zero by.
    """

    seed: int = 7
    rank: int = 8
    iterations: int = 6
    alpha: float = 8.0
    regularization: float = 0.03
    prior_weight: float = 0.3
    clusters: int = 5
    completion_regularization: float = 1.0
    rating_rank: int = 4
    rating_iterations: int = 6
    rating_regularization: float = 3.0
    rating_shrinkage: float = 5.0
