/** For drizzle's own tools (studio, introspection). Migrations are written by hand and applied by `src/store/migrator.ts`. */
export default { dialect: "postgresql", schema: "./src/store/schema/index.ts" };
