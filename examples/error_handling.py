"""Tell the errors of a read apart: by class, or by the text that users see.

Uses the default data folder, or the one that HOLDFAST_DATA_DIR names.
"""

import asyncio

from holdfast import (
    AccessContext,
    CircuitOpen,
    HoldfastError,
    SecretNotFound,
    SecretsService,
    create_secrets_service,
)


async def main() -> None:
    async with create_secrets_service() as service:
        await read(service, "example-nonexistent-key")
        await read(service, "example-nonexistent-key", AccessContext(user_id="stranger"))
        await read(service, "not_a_name")
        await read_and_match_texts(service, "example-nonexistent-key")


async def read(service: SecretsService, name: str, context: AccessContext | None = None) -> None:
    try:
        await service.get_secret(name, context=context)
    except SecretNotFound:
        print(f"{name} does not exist")
    except CircuitOpen:
        print("Key Vault is unavailable, and this secret was never read here before")
    except HoldfastError as error:
        advice = "try again later" if error.retryable else "trying again does not help"
        print(f"Failed to retrieve the secret ({error.code}; {advice}): {error}")


async def read_and_match_texts(service: SecretsService, name: str) -> None:
    try:
        await service.get_secret(name)
    except HoldfastError as error:
        if "Secret not found" in str(error):
            print("By its text: the secret does not exist")
        elif "Circuit breaker is OPEN" in str(error):
            print("By its text: the secrets service is temporarily unavailable")
        else:
            print(f"By its text: {error}")


asyncio.run(main())
