#!/usr/bin/env bash
# A study on a real Slurm of this one machine, one of its jobs killed in mid-epoch: the same hashes as an undisturbed make.
#
#     apt-get install slurm-wlm munge        # Debian's packages; nothing of them need be running
#     benchmarks/slurm.sh [VENV]             # as root, 6 minutes on two busy cores; VENV has what requirements-cluster.txt lists (.venv)
#
# munged, slurmctld and slurmd start with a configuration of their own in a temporary folder, on ports of their own, without cgroups and
# without accounting, and end with the script. Two jobs of Slurm, started by dask-jobqueue as docs/scale.md says, train two arms with three
# seeds; when a run has come to its second epoch, a job is killed with its training. The project is copied, so that nothing else is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(realpath "${1:-.venv}")
folder=$(mktemp -d /tmp/slurm.XXXXXX)
for needed in munged slurmctld slurmd "$venv/bin/python"; do
  command -v "$needed" > /dev/null || { echo "$needed is not there: see the head of this script" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "to be run as root: the daemons start jobs" >&2; exit 2; }

export SLURM_CONF=$folder/slurm.conf
clean_up() {
  scancel --signal=KILL --full --user=root 2> /dev/null || true
  for daemon in slurmd slurmctld munged; do kill "$(cat "$folder/$daemon.pid" 2> /dev/null)" 2> /dev/null || true; done
  sleep 2
  rm -rf "$folder"
}
trap clean_up EXIT

# --- Slurm
chmod 755 "$folder" && mkdir "$folder/state" "$folder/spool" "$folder/logs"
(umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
  --seed-file="$folder/munge.seed"
cat > "$SLURM_CONF" << END
ClusterName=here
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=$folder/munge.socket
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
slurmctld && slurmd
for _ in {1..30}; do sinfo --noheader --format=%T 2> /dev/null | grep -q idle && break; sleep 1; done
sinfo --noheader --format="Slurm's node %N is %T"
slurmctld -V

# --- a tiny study, with a checkpoint after each epoch
project=$folder/project
mkdir "$project" && cp -r Makefile lib notebooks params tools requirements.txt requirements-cluster.txt "$project"
cd "$project"
cat > params/tiny.yaml << 'END'
title: tiny
data: {source: phantom, train_size: 300, val_size: 40, test_size: 40}
train: {width: 4, epochs: 8, milestones: [6], batch_size: 50, precision: fp32}
arms:
  baseline:
  cutmix: {cutmix_probability: 0.5, label_smoothing: 0.1}
seeds: [0, 1, 2]
END
sed -i 's/^CHECKPOINT_SECONDS = 60/CHECKPOINT_SECONDS = 0/' lib/training/loop.py
make --no-print-directory train STUDY=tiny VENV="$venv" OUTPUTS=undisturbed JOBS=1 > undisturbed.log || { tail undisturbed.log >&2; exit 1; }

# --- the same on Slurm
cat > on_slurm.py << 'END'
import os, subprocess, sys
from dask_jobqueue import SLURMCluster

with SLURMCluster(cores=1, processes=1, memory="2GB", walltime="01:00:00", interface="lo", scheduler_options={"dashboard": False},
                  python=sys.executable, local_directory=os.getcwd(), log_directory="../logs") as cluster:
    cluster.scale(2)
    make = subprocess.Popen(["make", "--no-print-directory", "train", "STUDY=tiny", f"VENV={sys.prefix}", "ON=dask", "JOBS=2"], text=True,
                            stdout=subprocess.PIPE, env=os.environ | {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address})
    killed = None
    for line in make.stdout:
        print(line, end="", flush=True)
        if not killed and "epoch 2/8" in line:
            killed = subprocess.check_output(["squeue", "--noheader", "--states=R", "--format=%A"], text=True).split()[0]
            subprocess.run(["scancel", "--signal=KILL", "--full", killed], check=True)
            print(f"--- job {killed} of Slurm killed", flush=True)
    sys.exit(make.wait() or (not killed and "no job was killed"))
END
began=$SECONDS
"$venv/bin/python" on_slurm.py 2>&1 | tee on_slurm.log | grep --line-buffered -E "^---|: on tcp|epoch (1|2|8)/8|train.ipynb: |rror" || { tail on_slurm.log >&2; exit 1; }
echo "$((SECONDS - began)) s on Slurm; $(grep -c ': on tcp' on_slurm.log) starts of 6 runs"
hashes() { (cd "$1/tiny" && sha256sum */seed-*/model.safetensors); }
diff <(hashes undisturbed) <(hashes outputs) && echo "six runs, one job killed: the hashes of an undisturbed make -j1"
