/** How an object's database comes to have its tables. */

/** Statements not applied yet, all or none. `PRAGMA user_version` is not available in an object, so a table counts. */
export function applySchema(storage: DurableObjectStorage, statements: readonly string[]): void {
  storage.transactionSync(() => {
    storage.sql.exec("CREATE TABLE IF NOT EXISTS schema_version (applied INTEGER NOT NULL)");
    const [row] = storage.sql.exec<{ applied: number }>("SELECT applied FROM schema_version").toArray();
    const applied = row?.applied ?? 0;
    if (applied >= statements.length) return;
    for (const statement of statements.slice(applied)) storage.sql.exec(statement);
    storage.sql.exec("DELETE FROM schema_version");
    storage.sql.exec("INSERT INTO schema_version (applied) VALUES (?)", statements.length);
  });
}
