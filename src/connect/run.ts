import type { MerchantId } from "../domain/ids.ts";
import type { Store } from "../store/store.ts";
import type { ManagementOptions } from "../whatsapp/graph-call.ts";
import type { RemoteNumber } from "../whatsapp/onboarding.ts";
import type { Line, StepName, StepResult } from "./checklist.ts";

/** What connecting needs of the process it runs in. */
export type ConnectWorld = {
  store: Store;
  graph: { url: string; version: string };
  app: { id: string | undefined; secret: string | undefined; verifyToken: string | undefined };
  /** Told as each step begins and ends, for a live checklist. */
  onStep?: (step: StepName, results?: readonly StepResult[]) => void;
};

export type TargetNumber = { id: string; isCoexistence: boolean };
export type TargetWaba = { id: string; numbers: TargetNumber[] };
/** What Meta told on the way, for whoever writes the merchant's rows. */
export type Found = {
  portfolioId: string | undefined;
  displayOf: (phoneNumberId: string) => string | undefined;
  /** Whether the token was given a WABA. */
  covers: (wabaId: string) => boolean;
  expiresAt: Date | undefined;
};

export type ConnectJob = {
  token: string | undefined;
  pin: string | undefined;
  webhookUrl: string | undefined;
  wabas: TargetWaba[];
  /** The portfolio that the merchant's file names; undefined where Meta's word is taken. */
  portfolio: string | undefined;
  /** Writes the merchant's rows once Meta has said yes to token, WABAs and numbers; twice is as once. */
  settle: (found: Found) => Promise<{ merchantId: MerchantId; line: Line }>;
};

/** One connecting under way: the job, and what its steps have learned. */
export type Run = ConnectWorld &
  ConnectJob & {
    options: ManagementOptions;
    learned: {
      appId?: string | undefined;
      expiresAt?: Date | undefined;
      covers?: Found["covers"];
      portfolioId?: string | undefined;
      merchantId?: MerchantId;
      numbers: Map<string, RemoteNumber>;
    };
  };
