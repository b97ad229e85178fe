import type { JsonObject } from "./json.ts";

/** Title by code, as Meta words them, from the code list of reference 5.2. Logic must hang on the code alone. */
const TITLES: Readonly<Record<number, string>> = {
  0: "AuthException",
  1: "An unknown error occurred",
  2: "Service temporarily unavailable",
  3: "Application does not have the capability to make this API call",
  4: "Application request limit reached",
  10: "Application does not have permission for this action",
  33: "Parameter value is not valid",
  100: "Invalid parameter",
  101: "Missing or invalid application",
  190: "Invalid OAuth access token",
  200: "Permissions error",
  368: "Temporarily blocked for policies violations",
  80007: "Rate limit issues",
  80008: "There have been too many calls to this WhatsApp Business account",
  130429: "Rate limit hit",
  130472: "User's number is part of an experiment",
  130497: "Business account is restricted from messaging users in this country",
  131000: "Something went wrong",
  131005: "Access denied",
  131008: "Required parameter is missing",
  131009: "Parameter value is not valid",
  131016: "Service unavailable",
  131021: "Recipient cannot be sender",
  131026: "Message undeliverable",
  131030: "Recipient phone number not in allowed list",
  131031: "Business Account locked",
  131037: "WhatsApp provided number needs display name approval before message can be sent",
  131042: "Business eligibility payment issue",
  131045: "Incorrect certificate",
  131047: "Re-engagement message",
  131048: "Spam rate limit hit",
  131049: "This message was not delivered to maintain healthy ecosystem engagement",
  131050: "User has stopped marketing messages from this business",
  131051: "Message type unknown",
  131052: "Media download error",
  131053: "Media upload error",
  131055: "Method not allowed",
  131056: "(Business Account, Consumer Account) pair rate limit hit",
  131057: "Account in maintenance mode",
  131059: "Invalid cursor",
  131062: "Business-scoped User ID (BSUID) recipients are not supported for this message",
  131063: "Marketing template messages are disabled on Cloud API",
  131064: "Messaging limit due to template classification violations",
  132000: "Number of parameters does not match the expected number of params",
  132001: "Template name does not exist in the translation",
  132005: "Translated text too long",
  132007: "Template format character policy violated",
  132008: "Parameter value is not valid",
  132012: "Parameter format does not match format in the created template",
  132015: "Template is paused",
  132016: "Template is disabled",
  132018: "Template parameters are not valid",
  133000: "Incomplete deregistration",
  133004: "Server temporarily unavailable",
  133005: "Two step verification PIN mismatch",
  133006: "Phone number re-verification needed",
  133008: "Too many two step verification PIN guesses",
  133009: "Two step verification PIN guessed too fast",
  133010: "Phone number not registered",
  133015: "Please wait a few minutes before attempting to register this phone number",
  133016: "Account register or deregister rate limit exceeded",
  134100: "Template is not a marketing template",
  134101: "Template is still syncing",
  135000: "Generic user error",
  137000: "Recipient identity hash mismatch",
  139100: "Failed to block or unblock some users",
  2388019: "Message template limit exceeded",
  2388040: "Field exceeds the character limit",
  2388047: "Message header format is incorrect",
  2388072: "Message body format is incorrect",
  2388073: "Message footer format is incorrect",
  2388293: "This template has too many variables for its length",
  2388299: "Variables can't be at the start or end of the template",
};

/** HTTP status by code; everything else is 400, throttling included (end of reference 5.2). */
const HTTP_STATUS: Readonly<Record<number, number>> = {
  0: 401,
  190: 401,
  10: 403,
  200: 403,
  368: 403,
  130497: 403,
  131005: 403,
  131031: 403,
  132001: 404,
  3: 500,
  131000: 500,
  131016: 500,
  131045: 500,
  131057: 500,
  133000: 500,
  2: 503,
  133004: 503,
};

const TRANSIENT = new Set([1, 2, 4, 131016, 133004]);

const DEVELOPER_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/** A refusal by Graph. Thrown anywhere below a route; the route answers it in Meta's shape. */
export class GraphError extends Error {
  readonly code: number;
  readonly details: string | undefined;
  readonly subcode: number | undefined;
  readonly type: string;
  readonly httpStatus: number;

  constructor(
    code: number,
    details?: string,
    options: { message?: string; subcode?: number; type?: string; httpStatus?: number } = {},
  ) {
    super(options.message ?? `(#${code}) ${titleOf(code)}`);
    this.name = "GraphError";
    this.code = code;
    this.details = details;
    this.subcode = options.subcode;
    this.type = options.type ?? "OAuthException";
    this.httpStatus = options.httpStatus ?? HTTP_STATUS[code] ?? 400;
  }

  /** The body of the HTTP answer. */
  toBody(traceId: string): JsonObject {
    return {
      error: {
        message: this.message,
        type: this.type,
        code: this.code,
        ...(this.details === undefined ? {} : { error_data: { messaging_product: "whatsapp", details: this.details } }),
        ...(this.subcode === undefined ? {} : { error_subcode: this.subcode }),
        ...(TRANSIENT.has(this.code) ? { is_transient: true } : {}),
        fbtrace_id: traceId,
      },
    };
  }

  /** The same refusal as an element of a failed status's `errors[]`. */
  toStatusError(): JsonObject {
    const title = titleOf(this.code);
    return {
      code: this.code,
      title,
      message: title,
      error_data: { details: this.details ?? title },
      href: DEVELOPER_PAGE,
    };
  }
}

/** A parameter that breaks Graph's own schema: code 100 with the sentence in `message` and no `error_data`. */
export function invalidParam(sentence: string): GraphError {
  return new GraphError(100, undefined, { message: `(#100) ${sentence}` });
}

export function titleOf(code: number): string {
  return TITLES[code] ?? "Something went wrong";
}
