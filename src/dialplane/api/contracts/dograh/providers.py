"""What each provider's configuration is made of: one model for each, told apart by `provider`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
AnyText = Annotated[str, Field(max_length=10_000)]


class Exact(BaseModel):
    """Unknown fields are refused: one that is misspelled would be a lost secret, or a setting without effect."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        for name in given if isinstance(given, dict) else ():
            if name not in cls.model_fields:
                near = get_close_matches(str(name).lower(), cls.model_fields, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(cls.model_fields)}"
                raise ValueError(f"unknown field '{name}'; {hint}")
        return given


class Simulated(BaseModel):
    """A carrier that places no call: the fields are those of its profile (docs/simulated-carrier.md)."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": {"provider": "simulated", "seed": 7}})

    provider: Literal["simulated"]


class VicidialAgentApi(Exact):
    url: Text = Field(description="Full URL to agc/api.php")
    username: Text
    password: Text
    source: AnyText = "dograh"


class VicidialNonAgentApi(Exact):
    url: AnyText | None = Field(None, description="Full non_agent_api.php URL")
    username: AnyText | None = None
    password: AnyText | None = None
    source: AnyText = "dograh"


class VicidialExternalPbx(Exact):
    type: Literal["vicidial"] = "vicidial"
    agent_api: VicidialAgentApi
    non_agent_api: VicidialNonAgentApi | None = None
    timeout_seconds: int = Field(8, ge=1, le=30)


class Ari(Exact):
    provider: Literal["ari"]
    ari_endpoint: Text = Field(description="ARI base URL (e.g., http://asterisk.example.com:8088)")
    app_name: Text = Field(description="ARI username, matching the ari.conf section name")
    app_password: Text = Field(description="ARI user password")
    ws_client_name: AnyText = Field("", description="websocket_client.conf connection name for externalMedia")
    external_pbx: VicidialExternalPbx | None = None
    endpoint: AnyText | None = Field(None, description="What Asterisk dials (e.g., PJSIP/{number}@trunk); our own")
    transfer_context: AnyText | None = Field(None, description="Where calls are handed over; our own")


class Cloudonix(Exact):
    provider: Literal["cloudonix"]
    bearer_token: Text
    domain_id: Text
    application_name: AnyText | None = None


class Plivo(Exact):
    provider: Literal["plivo"]
    auth_id: Text
    auth_token: Text
    application_id: AnyText | None = None


class Telnyx(Exact):
    provider: Literal["telnyx"]
    api_key: Text
    connection_id: AnyText | None = Field(None, description="Telnyx Call Control Application ID")
    webhook_public_key: AnyText | None = None


class Twilio(Exact):
    provider: Literal["twilio"]
    account_sid: Text
    auth_token: Text
    amd_enabled: bool = Field(False, description="Detect whether calls are answered by a person or a machine")


class Vobiz(Exact):
    provider: Literal["vobiz"]
    auth_id: Text
    auth_token: Text
    application_id: AnyText | None = None


class Vonage(Exact):
    provider: Literal["vonage"]
    api_key: Text
    api_secret: Text
    application_id: Text
    private_key: Text = Field(description="Private key for JWT generation")
    signature_secret: AnyText | None = None


ProviderConfig = Annotated[
    Simulated | Ari | Cloudonix | Plivo | Telnyx | Twilio | Vobiz | Vonage, Field(discriminator="provider")
]


def settings_of(config: BaseModel) -> dict[str, Any]:
    """A configuration without the name of its provider, and without what was left out."""
    return config.model_dump(exclude={"provider"}, exclude_none=True)
