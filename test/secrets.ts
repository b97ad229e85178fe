export const SECRETS = {
  appId: "670843887433847",
  appSecret: "test-app-secret",
  verifyToken: "test-verify",
  accessToken: "test-access-token",
};
export const PHONE_ID = "106540352242922";
export const WABA_ID = "102290129340398";
