import torch

from bench.edits.peers.alignment import align


def _tokens(text):
    return [f"{word}</w>" for word in text.split()]


LENGTH = 10


def test_equal_captions_align_token_by_token():
    tokens = _tokens("a cat on grass")
    found = align(tokens, tokens, LENGTH, swap=True)
    torch.testing.assert_close(found.matrix, torch.eye(LENGTH))
    assert found.share.tolist() == [1] * LENGTH
    assert found.changed_source == found.changed_target == ()


def test_a_swapped_word_takes_the_map_of_the_one_it_replaces():
    found = align(_tokens("a cat sits"), _tokens("a dog sits"), LENGTH, swap=True)
    torch.testing.assert_close(found.matrix, torch.eye(LENGTH))
    assert found.changed_source == found.changed_target == (2,)


def test_without_swap_a_new_word_keeps_its_own_map():
    found = align(_tokens("a cat sits"), _tokens("a dog sits"), LENGTH, swap=False)
    assert found.share.tolist() == [1, 1, 0, *[1] * 7]


def test_words_after_an_inserted_one_look_at_their_old_places():
    found = align(_tokens("a cat sits"), _tokens("a big cat sits"), LENGTH, swap=True)
    looked_at = found.matrix.argmax(0).tolist()
    assert looked_at[:6] == [0, 1, 0, 2, 3, 4]  # start, a, (big), cat, sits, end
    assert found.share[2] == 0 and found.changed_target == (2,) and found.changed_source == ()


def test_a_word_of_two_pieces_shares_the_map_of_one():
    found = align(["cat</w>"], ["pu", "ppy</w>"], LENGTH, swap=True)
    assert found.matrix[1, 1] == found.matrix[1, 2] == 1


def test_a_map_over_tokens_stays_a_distribution_where_captions_are_as_long():
    found = align(_tokens("a cat sits"), _tokens("a dog lies"), LENGTH, swap=True)
    assert found.matrix.sum(0).tolist() == [1] * LENGTH
