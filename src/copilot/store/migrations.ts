import type { DatabaseSync } from 'node:sqlite'
import { StoreTooNew } from '../problems.ts'

/**
 * The schema's steps, forward only: the nth brings a database from schema n-1 to n. A step that was released is never
 * changed; what follows is a new one.
 *
 * `records` is state and change log in one: every record bears the revision of its last change, and a removed one stays
 * as a row without value until retention takes it. `resources` is the same for what people apply; what of it is in force is
 * in `records` too, for pilot.
 */
export const migrations = [
  `
  create table store (history text, revision integer not null, floor integer not null);
  insert into store values (null, 0, 0);

  create table sources (name text primary key, epoch text not null, synced_at integer not null, changed_at integer not null);
  create table superseded (id integer primary key, source text not null, epoch text not null, unique (source, epoch));

  create table records (
    id integer primary key,
    kind text not null,
    key text not null,
    source text not null,
    value text,
    revision integer not null,
    unique (kind, key)
  );
  create index records_by_revision on records (revision);
  create index records_removed on records (revision, kind) where value is null;
  create index organizations_by_name on records (value ->> '$.name') where kind = 'organization';
  create index spaces_by_name on records (value ->> '$.name') where kind = 'space';
  create index apps_by_name on records (value ->> '$.name') where kind = 'app';
  create index spaces_by_organization on records (value ->> '$.organization') where kind = 'space';
  create index apps_by_space on records (value ->> '$.space') where kind = 'app';
  create index processes_by_app on records (value ->> '$.app') where kind = 'process';
  create index instances_by_process on records (value ->> '$.process') where kind = 'instance';
  create index routes_by_host on records (value ->> '$.host') where kind = 'route';
  create index routes_by_space on records (value ->> '$.space') where kind = 'route';

  create table destinations (route integer not null, app text not null, primary key (route, app)) without rowid;
  create index destinations_by_app on destinations (app);
  create trigger route_added after insert on records when new.kind = 'route' begin
    insert or ignore into destinations select new.id, value ->> '$.app' from json_each(new.value, '$.destinations');
  end;
  create trigger route_changed after update of value on records when new.kind = 'route' begin
    delete from destinations where route = new.id;
    insert or ignore into destinations select new.id, value ->> '$.app' from json_each(new.value, '$.destinations');
  end;
  `,
  `
  create table resources (
    key text primary key,
    namespace text not null,
    value text,
    version integer not null,
    generation integer not null
  );
  create index resources_by_version on resources (version);
  create index resources_by_namespace on resources (namespace) where value is not null;
  create table versions (
    key text not null,
    generation integer not null,
    value text not null,
    author text not null,
    at integer not null,
    primary key (key, generation)
  ) without rowid;
  create table counters (name text primary key, value integer not null) without rowid;
  insert into counters values ('resources', 0), ('forgotten', 0);
  create table secrets (namespace text not null, name text not null, sealed blob not null, updated_at integer not null, primary key (namespace, name)) without rowid;
  create table switches (name text not null, subject text not null, author text not null, at integer not null, primary key (name, subject)) without rowid;
  `,
  `alter table secrets add column author text not null default '';`,
  `create table orphans (namespace text primary key, since integer not null) without rowid;`,
]

/** Brings the database to the newest schema, a transaction a step. Throws `MESH_STORE_TOO_NEW`. */
export function migrate(database: DatabaseSync, file: string, steps: readonly string[] = migrations): void {
  const { user_version: found } = database.prepare('pragma user_version').get() as { user_version: number }
  if (found > steps.length) throw StoreTooNew(file, found, steps.length)
  for (const [position, step] of steps.entries()) {
    if (position < found) continue
    database.exec('begin immediate')
    try {
      database.exec(`${step}; pragma user_version = ${position + 1}`)
      database.exec('commit')
    } catch (error) {
      database.exec('rollback')
      throw error
    }
  }
}
