/**
 * The commands below `prkdb cluster`, as commander knows them.
 *
 * @module
 */

import type { Command } from "commander";
import {
  addNode,
  type CliChangeOptions,
  type CliFactorOptions,
  factorArgument,
  moveReplica,
  numberArgument,
  rebalance,
  removeNode,
  setReplicationFactor,
  showChanges,
  showCluster,
  transferLeadership,
  watchKnownChange,
} from "./cluster_actions.ts";
import type { CliAction } from "./context.ts";

const ID_MAX = 2 ** 32 - 1;
const nodeId = (name: string) => numberArgument(name, { min: 1, max: ID_MAX });
const partitionId = numberArgument("PARTITION", { min: 0, max: ID_MAX });

/** Adds them to `program`. */
export function addCluster(program: Command, choose: (action: CliAction) => void): void {
  const cluster = program.command("cluster").description("show and change nodes, replicas and leaders");
  cluster.command("status").description("show nodes, partitions with their replicas, and changes under way")
    .action(() => choose(showCluster));
  cluster.command("changes").description("list the changes under way and the last finished ones, by id")
    .action(() => choose(showChanges));
  cluster.command("watch").description("stay until the change CHANGE_ID has ended, and show how far it is")
    .argument("<change-id>")
    .action((changeId: string) => choose(watchKnownChange(changeId)));
  changing(cluster, ["add-node", "take in the node ID, which listens at HOST:PORT"])
    .argument("<id>", "", nodeId("ID")).argument("<host:port>")
    .action((id: number, address: string, options: CliChangeOptions) =>
      choose(addNode(id, address, options))
    );
  changing(cluster, ["remove-node", "move everything off the node ID and remove it; its id never comes back"])
    .argument("<id>", "", nodeId("ID"))
    .action((id: number, options: CliChangeOptions) => choose(removeNode(id, options)));
  addMoves(cluster, choose);
}

function addMoves(cluster: Command, choose: (action: CliAction) => void): void {
  changing(cluster, ["move-replica", "move a replica of PARTITION from the node FROM to the node TO"])
    .argument("<partition>", "", partitionId).argument("<from>", "", nodeId("FROM"))
    .argument("<to>", "", nodeId("TO"))
    .action((partition: number, from: number, to: number, options: CliChangeOptions) =>
      choose(moveReplica({ partitionId: partition, from, to }, options))
    );
  changing(cluster, ["transfer", "have the node TO lead PARTITION"])
    .argument("<partition>", "", partitionId).argument("<to>", "", nodeId("TO"))
    .action((partition: number, to: number, options: CliChangeOptions) =>
      choose(transferLeadership({ partitionId: partition, to }, options))
    );
  changing(cluster, ["rebalance", "make replicas and leaders even over the nodes"])
    .action((options: CliChangeOptions) => choose(rebalance(options)));
  addFactor(cluster, choose);
}

function addFactor(cluster: Command, choose: (action: CliAction) => void): void {
  const description = "give every partition FACTOR replicas, an odd number; while there are fewer nodes, " +
    "as many as an odd number of them allows, and more by themselves when nodes join";
  changing(cluster, ["set-replication-factor", description])
    .argument("<factor>", "", factorArgument)
    .option("-y, --yes", "do not ask before the factor becomes lower")
    .action((factor: number, options: CliFactorOptions) => choose(setReplicationFactor(factor, options)));
}

function changing(cluster: Command, [name, description]: readonly [string, string]): Command {
  return cluster.command(name).description(description)
    .option("-w, --watch", "stay until the change has ended, and show how far it is");
}
