import { customType } from "drizzle-orm/pg-core";

/** Ciphertexts and keyed hashes. */
export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });
