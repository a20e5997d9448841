from lumbung.core.policy import SAME_SERVER, content_policy, inside


def test_nothing_from_elsewhere_and_nothing_inline_is_allowed() -> None:
    policy = content_policy(SAME_SERVER, SAME_SERVER, "frame-ancestors 'none'")
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


def test_what_is_inside_is_named_by_its_hash() -> None:
    # printf %s 'let a' | openssl dgst -sha256 -binary | base64
    assert inside("let a") == "'sha256-IfEXP/8HLuXoAiy0hZVrCAcjcLsZqYFpLOHDGj8enqE='"
