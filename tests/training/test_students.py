import pytest
import torch

from deid.recognizers.checkpoints import RECOGNIZERS
from deid.training.students import RECIPES, Student


@pytest.mark.parametrize("name", RECIPES)
def test_a_shift_moves_every_embedding_alike(name: str) -> None:
    recipe = RECIPES[name]
    network = recipe.build()
    recipe.finish(network.eval())
    faces = torch.rand(3, recipe.template.channels, recipe.template.size, recipe.template.size)
    by = torch.randn(recipe.width)
    with torch.no_grad():
        before = network(faces)
        recipe.shift(network, by)
        assert torch.allclose(network(faces), before + by, atol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_a_student_is_the_network_it_will_be_published_as(name: str) -> None:
    """What training calls part by part, on whole faces, is what loads under the architecture's name."""
    torch.manual_seed(0)
    recipe = RECIPES[name]
    student = Student(recipe, 64).eval()
    side = recipe.template.size
    faces = torch.rand(2, recipe.template.channels, side, side)
    found = student(faces).detach()
    assert found.shape == (2, recipe.width)
    assert student(faces[..., : side // 2, : side // 2]).shape == (2, recipe.width)
    published = RECOGNIZERS[recipe.architecture].build().eval()
    recipe.finish(student.recognizer)
    published.load_state_dict(student.recognizer.state_dict())
    assert torch.allclose(published(faces), found, atol=1e-4)
