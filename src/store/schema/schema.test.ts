import { is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { expect, it } from "vitest";
import { scratchDatabase } from "../../../test/world.ts";
import * as schema from "./index.ts";

type Column = { table: string; column: string; type: string; notNull: boolean };

const TYPES: Record<string, string> = {
  "timestamp with time zone": "timestamptz",
  "double precision": "float8",
  integer: "int4",
  bigint: "int8",
  boolean: "bool",
  "real[]": "_float4",
  "uuid[]": "_uuid",
  "text[]": "_text",
};

it("the schema in code says what the migrations made: every table, column, type and nullability", async () => {
  const scratch = await scratchDatabase();
  const real = await scratch.owner<
    Column[]
  >`select table_name as table, column_name as column, udt_name as type, is_nullable = 'NO' as "notNull" from information_schema.columns where table_schema = 'public'`;
  await scratch.drop();
  const described = Object.values(schema).flatMap((table): Column[] => {
    if (!is(table, PgTable)) return [];
    const { name, columns, primaryKeys } = getTableConfig(table);
    const keys = new Set(primaryKeys.flatMap((key) => key.columns.map((column) => column.name)));
    return columns.map((column) => ({
      table: name,
      column: column.name,
      type: TYPES[column.getSQLType()] ?? column.getSQLType(),
      notNull: column.notNull || column.primary || keys.has(column.name),
    }));
  });
  const sorted = (rows: readonly Column[]) =>
    rows.map((row) => `${row.table}.${row.column} ${row.type}${row.notNull ? " not null" : ""}`).sort();
  expect(sorted(described)).toEqual(sorted(real));
});
