from deid.training.data import held_out_people


def test_every_tenth_person_is_held_out_whatever_the_order() -> None:
    names = [f"person{i:03d}" for i in range(100)]
    held_out = held_out_people(names)
    assert held_out == held_out_people(reversed(names * 2))
    assert len(held_out) == 10
