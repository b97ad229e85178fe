import type { Config } from "../config.ts";
import type { ConnectWorld } from "../connect/run.ts";
import { DEMO, DEMO_TOKEN_NAME } from "../start.ts";
import type { Store } from "../store/store.ts";
import { simulatorUrl } from "./running-demo.ts";

export type GraphDoor = {
  world: ConnectWorld;
  secret: (name: string) => string | undefined;
  model: { baseUrl: string | undefined; apiKey: string | undefined };
};

/** Graph as a command reaches it: Meta's in live mode, the running demo's simulator otherwise. */
export function graphDoor(config: Config, store: Store): GraphDoor {
  const { graphApiVersion: version } = config;
  if (config.mode === "live")
    return {
      world: {
        store,
        graph: { url: config.graphApiUrl, version },
        app: { id: config.appId, secret: config.appSecrets[0], verifyToken: config.verifyToken },
      },
      secret: config.secret,
      model: { baseUrl: config.openaiBaseUrl, apiKey: config.openaiApiKey },
    };
  const url = simulatorUrl(config.dataDir);
  return {
    world: {
      store,
      graph: { url, version },
      app: { id: DEMO.appId, secret: DEMO.appSecret, verifyToken: DEMO.verifyToken },
    },
    secret: (name) => config.secret(name) ?? (name === DEMO_TOKEN_NAME ? DEMO.accessToken : undefined),
    model: { baseUrl: config.openaiBaseUrl ?? `${url}/v1`, apiKey: config.openaiApiKey ?? "demo" },
  };
}
