import type { SimClock } from "./clock.ts";
import type { Ledger } from "./ledger.ts";
import type { MediaShelf } from "./media.ts";
import type { Random } from "./random.ts";
import type { SendFaults } from "./send-faults.ts";
import type { Settings } from "./settings.ts";
import type { SignupCodes } from "./signup-codes.ts";
import type { Webhooks } from "./webhooks.ts";
import type { World } from "./world.ts";

/** What every route of one running simulator shares. */
export type Sim = {
  /** The Meta app that the webhooks and tokens belong to. */
  readonly appId: string;
  readonly appSecret: string;
  readonly verifyToken: string;
  readonly clock: SimClock;
  readonly random: Random;
  readonly world: World;
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly webhooks: Webhooks;
  readonly media: MediaShelf;
  readonly sendFaults: SendFaults;
  readonly signupCodes: SignupCodes;
  /** The app's callback; an account or number may override it. */
  webhookUrl: string | undefined;
  /** Where this simulator listens, once it does. */
  url: string;
};
