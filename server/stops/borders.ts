/**
 * Where the world enters a node and where calls leave it: the places at which calls are seen without their
 * knowing. Either nothing stands there, or something that keeps a record.
 *
 * @module
 */

import type { FileSystem } from "../../wal-wasm/mod.ts";
import type { HttpRouter } from "../http/mod.ts";
import type { NodeInbox } from "../node/mod.ts";
import type { Clock, PeerTransport } from "../ports/mod.ts";
import { RecordingFileSystem } from "./recording_files.ts";
import { RecordingInbox } from "./recording_inbox.ts";
import { recordingRouter, stopsRouter } from "./recording_router.ts";
import { RecordingTransport } from "./recording_transport.ts";
import { StopRecorder } from "./stop_recorder.ts";

/** Each takes a part of a server, and gives what is to be used in its place. */
export interface Borders {
  fileSystem(files: FileSystem): FileSystem;
  clock(clock: Clock): Clock;
  inbox(inbox: NodeInbox): NodeInbox;
  transport(transport: PeerTransport): PeerTransport;
  /** Of clients and peers. */
  router(router: HttpRouter): HttpRouter;
  /** Of operators. */
  opsRouter(router: HttpRouter): HttpRouter;
}

/** @param stopsMax how many stops are remembered; without it no part is replaced, and nothing recorded */
export function bordersFor(stopsMax: number | undefined): Borders {
  return stopsMax === undefined ? OPEN_BORDERS : recordingBorders(new StopRecorder(stopsMax));
}

const OPEN_BORDERS: Borders = {
  fileSystem: (files) => files,
  clock: (clock) => clock,
  inbox: (inbox) => inbox,
  transport: (transport) => transport,
  router: (router) => router,
  opsRouter: (router) => router,
};

function recordingBorders(recorder: StopRecorder): Borders {
  return {
    fileSystem: (files) => new RecordingFileSystem(files, recorder),
    clock: (clock) => recordingClock(clock, recorder),
    inbox: (inbox) => new RecordingInbox(inbox, recorder),
    transport: (transport) => new RecordingTransport(transport, recorder),
    router: (router) => recordingRouter(router, recorder),
    opsRouter: (router) => stopsRouter(router, recorder),
  };
}

/** Whatever is to be done soon is a turn. */
function recordingClock(clock: Clock, recorder: StopRecorder): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, callback) => clock.after(delayMs, callback),
    soon: (callback) => {
      recorder.note("turnDue");
      clock.soon(() => {
        recorder.note("turn");
        callback();
        recorder.note("turnEnd");
      });
    },
  };
}
