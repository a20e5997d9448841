"""Parameters of training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """What a model is trained with; numbers only, as a model's file holds them.

    Attributes:
        seed: of all that is random.
        rank: of the factors of recommendations.
        iterations: over courses and students.
        taken_weight: weight of all courses taken beside that of all that were not: alpha follows from it, so that small
            and large, dense and sparse batches are weighed alike.
        alpha: of Spark's own trainer: weight of a strength of 1 beside that of a course not taken, 1.
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
    taken_weight: float = 0.5
    alpha: float = 8.0
    regularization: float = 0.05
    prior_weight: float = 0.2
    clusters: int = 5
    completion_regularization: float = 1.0
    rating_rank: int = 4
    rating_iterations: int = 6
    rating_regularization: float = 3.0
    rating_shrinkage: float = 5.0
