#!/usr/bin/env bash
# Starts a real SLURM on this machine, for tests: a controller, its accounting, and two nodes of one CPU each, n1 and n2.
#
#   two_nodes.sh start [FOLDER]         starts what does not run; prints the line after which a shell's commands mean this SLURM
#   two_nodes.sh stop [FOLDER]          ends all of it, with the jobs that are left
#   two_nodes.sh crash FOLDER NODE      kills the daemon of one node; what it runs goes on
#   two_nodes.sh lose FOLDER NODE       kills it with all that it runs, as a loss of power does
#
# Everything (configuration, key, database, sockets, state, logs, process ids) lies in FOLDER, /tmp/gradlab-slurm unless another
# one is named, and all ports are free ones: several may run side by side, and nothing of the system's own SLURM, MariaDB or
# MUNGE is used or changed. Needs root, because SLURM's daemons do, and what `apt-get install slurmctld slurmd slurm-client
# slurmdbd munge mariadb-server` brings. NODE_MEMORY is the memory of a node in MiB (half of this machine's by default),
# NODE_TIMEOUT the seconds after which a silent node counts as lost.
set -euo pipefail

usage() { sed -n '4,7s/^# *//p' "$0" >&2; exit 2; }
fail() { echo "two_nodes.sh: $*" >&2; exit 1; }

action=${1:-}
folder=$(realpath -m "${2:-/tmp/gradlab-slurm}")
node=${3:-}
export SLURM_CONF=$folder/slurm.conf
nodes=(n1 n2)

is_alive() {  # NAME: whether the process of a pid file runs, and is none that has got the number since
    local id
    id=$(cat "$folder/run/$1.pid" 2>/dev/null) && [[ -n $id ]] && tr '\0' ' ' 2>/dev/null <"/proc/$id/cmdline" | grep -qF "${2:-$folder}"
}

wait_for() {  # WHAT SECONDS COMMAND...: until the command succeeds
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "$what did not come up; see $folder/log"
        sleep 0.2
    done
}

end_process() {  # NAME: politely, then not
    local id
    is_alive "$@" || return 0
    id=$(cat "$folder/run/$1.pid")
    kill "$id" 2>/dev/null || true
    for _ in $(seq 50); do [[ -e /proc/$id ]] || return 0; sleep 0.2; done
    kill -KILL "$id" 2>/dev/null || true
}

list_below() {  # PROCESS: it, and all that it started
    local child
    echo "$1"
    for child in $(ps -o pid= --ppid "$1" || true); do list_below "$child"; done
}

end_steps() {  # [NODE]: what a node runs, or all of them; a step outlives the daemon that started it
    local step child ours=()
    for step in $(pgrep -x slurmstepd || true); do
        [[ $(readlink "/proc/$step/cwd" || true) == "$folder"* ]] || continue
        child=$(ps -o pid= --ppid "$step" | awk 'NR == 1 {print $1}') || continue
        [[ -z ${1:-} ]] || tr '\0' '\n' 2>/dev/null <"/proc/$child/environ" | grep -qx "SLURMD_NODENAME=$1" || continue
        ours+=("$step")
    done
    # All steps before what they run: a step that sees its tasks end would tell the controller.
    for step in "${ours[@]}"; do kill -STOP "$step" 2>/dev/null || true; done
    for step in "${ours[@]}"; do list_below "$step"; done | xargs -r kill -KILL 2>/dev/null || true
}

free_ports() {  # N: ports that nobody listens on now
    python3 - "$1" <<'P'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))
P
}

write_configuration() {
    local host database accounting controller first second memory
    host=$(hostname -s)
    read -r database accounting controller first second < <(free_ports 5)
    memory=${NODE_MEMORY:-$(awk '/^MemTotal/ {print int($2 / 2048)}' /proc/meminfo)}
    echo "$database" >"$folder/database.port"
    cat >"$folder/slurmdbd.conf" <<C
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$accounting
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$database
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PidFile=$folder/run/slurmdbd.pid
LogFile=$folder/log/slurmdbd.log
C
    chmod 600 "$folder/slurmdbd.conf"
    # A requeued job waits until the credential of its first start has expired (cred_expire): two minutes by default.
    cat >"$SLURM_CONF" <<C
ClusterName=two-nodes
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket,cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5,bf_interval=5
SlurmctldTimeout=10
SlurmdTimeout=${NODE_TIMEOUT:-10}
KillWait=10
ReturnToService=2
SlurmctldParameters=node_reg_mem_percent=1
SlurmdParameters=config_overrides
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$accounting
AccountingStoragePass=$folder/run/munge.socket
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$first CPUs=1 RealMemory=$memory
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$second CPUs=1 RealMemory=$memory
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
C
}

# The jobs of Snakemake's plugin take SLURM_CONF from the environment before they call srun, and with it the way to this SLURM.
write_commands() {
    printf '#!/bin/sh\nSLURM_CONF=%q exec %q "$@"\n' "$SLURM_CONF" "$(command -v srun)" >"$folder/bin/srun"
    chmod +x "$folder/bin/srun"
}

start_munge() {
    is_alive munged && return
    rm -f "$folder/run/munge.socket"*
    [[ -e $folder/munge.key ]] || (umask 077; head -c 1024 /dev/urandom >"$folder/munge.key")
    munged --force --socket="$folder/run/munge.socket" --key-file="$folder/munge.key" --num-threads=2 \
        --pid-file="$folder/run/munged.pid" --seed-file="$folder/munge.seed" --log-file="$folder/log/munged.log" \
        2>>"$folder/log/start.log"
    wait_for munged 20 munge --socket="$folder/run/munge.socket" --no-input
}

start_database() {
    is_alive mariadbd && return
    local client=(mariadb --no-defaults --user=root --socket="$folder/run/mariadb.socket")
    if [[ ! -d $folder/database/mysql ]]; then
        mariadb-install-db --no-defaults --user=root --datadir="$folder/database" --skip-test-db \
            >>"$folder/log/start.log" 2>&1 || fail "MariaDB could not be set up; see $folder/log/start.log"
    fi
    setsid mariadbd --no-defaults --user=root --datadir="$folder/database" --bind-address=127.0.0.1 \
        --port="$(cat "$folder/database.port")" --socket="$folder/run/mariadb.socket" --skip-name-resolve \
        --pid-file="$folder/run/mariadbd.own.pid" --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 \
        </dev/null >>"$folder/log/mariadbd.log" 2>&1 &
    echo $! >"$folder/run/mariadbd.pid"
    wait_for MariaDB 60 "${client[@]}" -e "select 1"
    "${client[@]}" -e "create database if not exists slurm;
        create or replace user slurm@'127.0.0.1' identified by 'slurm';
        grant all on slurm.* to slurm@'127.0.0.1';"
}

is_up() { [[ $(sinfo --noheader --Node --states=idle,mixed,allocated --format=%N | wc -l) -eq ${#nodes[@]} ]]; }

start() {
    ((EUID == 0)) || fail "SLURM's daemons need root; run this as root or with sudo"
    local tool
    for tool in munged mariadbd mariadb mariadb-install-db slurmdbd slurmctld slurmd sinfo sacctmgr python3; do
        command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install slurmctld slurmd slurm-client slurmdbd munge mariadb-server"
    done
    mkdir -p "$folder"/{run,log,bin,state,database,spool/n1,spool/n2}
    chmod 755 "$folder" "$folder/run"
    ((${#folder} < 80)) || fail "the name of $folder is too long for the sockets in it; name another folder"
    if [[ ! -e $SLURM_CONF ]]; then write_configuration; write_commands; fi
    start_munge
    start_database
    if ! is_alive slurmdbd slurmdbd; then  # it takes its configuration from beside slurm.conf
        slurmdbd
        wait_for slurmdbd 60 sacctmgr --noheader list cluster
    fi
    if [[ -z $(sacctmgr --noheader list cluster two-nodes) ]]; then
        sacctmgr --immediate add cluster two-nodes >>"$folder/log/start.log"
        sacctmgr --immediate add account tests cluster=two-nodes >>"$folder/log/start.log"
        sacctmgr --immediate add user "${SUDO_USER:-root}" account=tests >>"$folder/log/start.log"
    fi
    is_alive slurmctld slurmctld || slurmctld
    wait_for slurmctld 60 scontrol ping
    for node in "${nodes[@]}"; do is_alive "$node" "slurmd -N $node" || slurmd -N "$node"; done
    wait_for "one of the nodes" 60 is_up
    echo "export SLURM_CONF=$SLURM_CONF PATH=$folder/bin:\$PATH"
}

stop() {
    [[ -e $SLURM_CONF ]] || return 0
    for node in "${nodes[@]}"; do end_process "$node" "slurmd -N $node"; done
    end_steps
    end_process slurmctld slurmctld
    end_process slurmdbd slurmdbd
    end_process mariadbd
    end_process munged
    rm -rf "${folder:?}"/{run,bin,state,database,spool,slurm.conf,slurmdbd.conf,database.port,munge.key,munge.seed}  # the logs stay
}

case $action in
    start | stop) "$action" ;;
    crash | lose)
        is_alive "$node" "slurmd -N $node" || fail "node '$node' has no daemon in $folder; nodes are ${nodes[*]}"
        kill -KILL "$(cat "$folder/run/$node.pid")"
        [[ $action == crash ]] || end_steps "$node" ;;
    *) usage ;;
esac
