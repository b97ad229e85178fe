import { GraphError } from "./graph-error.ts";
import type { Random } from "./random.ts";
import type { TokenFacts } from "./tokens.ts";

/** A code of Embedded Signup lives 30 s and works once (reference 3.8). */
export const CODE_LIFE_MS = 30_000;

export type SignupCode = { appId: string; token: TokenFacts; expiresAt: number; isUsed: boolean };

/** The codes that Embedded Signup has given to browsers, and what becomes of them. */
export class SignupCodes {
  readonly #codes = new Map<string, SignupCode>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  issue(code: SignupCode): string {
    const text = `AQ${this.#random.hex(60)}`;
    this.#codes.set(text, code);
    return text;
  }

  /**
   * The token that a code stands for. Throws code 100 for one that is unknown, of another app, used or too old; the
   * wording is Meta's, the subcodes are what clients report and nothing may hang on them.
   */
  take(text: string, appId: string, now: number): TokenFacts {
    const code = this.#codes.get(text);
    if (code === undefined) throw refusal("Invalid verification code format.", undefined);
    if (code.appId !== appId) {
      throw refusal(
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request",
        36008,
      );
    }
    if (code.isUsed) throw refusal("This authorization code has been used.", 36009);
    if (now >= code.expiresAt) throw refusal("This authorization code has expired.", 36007);
    code.isUsed = true;
    return code.token;
  }
}

function refusal(message: string, subcode: number | undefined): GraphError {
  return new GraphError(100, undefined, { message, subcode });
}
