// A script of client commands, each flag and behaviour that scripts rely on, in an order in which each finds what it needs. Run with
// docker's client and with Berth's by parity.test.ts, which compares what they print and how they end.

export interface Step {
  /** The command line, words parted by spaces; '…' holds a word together. Also how a difference is named. */
  line: string;
  /** stdin. */
  input?: string;
  env?: Record<string, string>;
  /** Repeated until it prints this, for what goes on by itself. */
  until?: RegExp;
  /** The lines' order is left to chance: two containers, or stdout and stderr of one. */
  unordered?: boolean;
}

/** Steps that are one command a line. */
function lines(text: string): Step[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => ({ line }));
}

/** Of commands that no other depends on, every third, unless all are wanted. */
function some(steps: readonly Step[]): Step[] {
  return steps.filter((_, at) => process.env.BERTH_PARITY === 'all' || at % 3 === 0);
}

const step = (line: string, more: Partial<Step> = {}): Step => ({ line, ...more });

/** Fields of a container that are the same however often it is made. */
const STATE = '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}';

/** Usage, containers, volumes and the daemon itself. `directory`: of this run's own. */
export function containerScript(directory: string): Step[] {
  return [
    ...some(usage()),
    ...some(
      lines(`
      run --rm busybox echo hi
      run --rm busybox sh -c 'echo out; exit 7'
      run --rm busybox sh -c 'kill -9 $$'
      run --rm busybox nosuch
      run --rm busybox /etc/passwd
      run --rm -w /tmp/x busybox pwd
      run --rm -e A=1 -e B=2 --env C=3 busybox sh -c 'echo $A$B$C'
      run --rm --env-file ${directory}/env busybox env
      run --rm --env-file ${directory}/none busybox env
      run --rm --env-file ${directory}/bad-env busybox env
      run --rm -h box --domainname example.org busybox hostname
      run --rm --entrypoint echo busybox from entrypoint
      run --rm --entrypoint '' busybox echo none
      run --rm -u 12:34 busybox sh -c 'id -u; id -g'
      run --rm --group-add 55 --group-add 66 busybox id -G
      run --rm --read-only busybox touch /x
      run --rm --tmpfs /scratch:size=1m busybox sh -c 'grep -c scratch /proc/mounts'
      run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n'
      run --rm --ulimit nofile=200:100 busybox true
      run --rm --ulimit nosuch=1 busybox true
      run --rm --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward
      run --rm -m 64m --memory-swap 128m busybox true
      run --rm -m 1m busybox true
      run --rm -m lots busybox true
      run --rm --memory-swap 1g busybox true
      run --rm --cpus 0.5 busybox true
      run --rm --cpus 1000 busybox true
      run --rm --cpus x busybox true
      run --rm --pids-limit 50 busybox true
      run --rm --shm-size 1m busybox sh -c 'df -k /dev/shm | tail -1 | wc -l'
      run --rm --shm-size x busybox true
      run --rm --cap-drop ALL busybox sh -c 'grep CapEff /proc/self/status'
      run --rm --cap-add NOSUCH busybox true
      run --rm --privileged busybox sh -c 'grep -c CapEff /proc/self/status'
      run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
      run --rm --security-opt seccomp=${directory}/none busybox true
      run --rm --security-opt nonsense busybox true
      run --rm --device /dev/null:/dev/zero2:r busybox ls /dev/zero2
      run --rm --device /dev/nosuch busybox true
      run --rm --device /dev/null:/dev/x:q busybox true
      run --rm --init busybox true
      run --rm --add-host a:1.2.3.4 --add-host b=5.6.7.8 busybox sh -c 'grep -E "1.2.3|5.6.7" /etc/hosts'
      run --rm --add-host nonsense busybox true
      run --rm --dns 9.9.9.9 --dns-search example.org --dns-option ndots:3 busybox cat /etc/resolv.conf
      run --rm --dns nonsense busybox true
      run --rm --network none busybox ls /sys/class/net
      run --rm --network nosuch busybox true
      run --rm --network container:nosuch busybox true
      run --rm --pid host busybox true
      run --rm --pid nonsense busybox true
      run --rm --ipc nonsense busybox true
      run --rm --uts nonsense busybox true
      run --rm --userns nonsense busybox true
      run --rm --cgroupns nonsense busybox true
      run --rm --restart nonsense busybox true
      run --rm --restart always busybox true
      run --rm --restart on-failure:x busybox true
      run --rm --log-driver none busybox echo unlogged
      run --rm --log-driver nosuch busybox true
      run --rm --log-opt nonsense busybox true
      run --rm --runtime nosuch busybox true
      run --rm --platform nonsense/a/b/c busybox true
      run --rm --platform linux/s390x busybox true
      run --rm --stop-signal NOSUCH busybox true
      run --rm --pull nonsense busybox true
      run --rm --pull never nosuch true
      run --rm --pull missing busybox echo there
      run --rm -v /a:/b:/c:/d busybox true
      run --rm -v relative:/x busybox ls /x
      run --rm -v /x:relative busybox true
      run --rm -v ${directory}/bound:/bound:ro busybox sh -c 'cat /bound/file; echo x > /bound/file'
      run --rm --mount type=bind,source=${directory}/bound,target=/bound,readonly busybox cat /bound/file
      run --rm --mount type=bind,source=${directory}/none,target=/x busybox true
      run --rm --mount type=nonsense,target=/x busybox true
      run --rm --mount nonsense busybox true
      run --rm --mount type=bind,target=/x busybox true
      run --rm --mount type=tmpfs,target=/t,tmpfs-size=1m busybox grep -c ' /t ' /proc/mounts
      run --rm --volumes-from nosuch busybox true
      run --rm -p nonsense busybox true
      run --rm -p 1:2:3:4 busybox true
      run --rm -p 99999:80 busybox true
      run --rm -p 80/nonsense busybox true
      run --rm --expose nonsense busybox true
      run --rm --name bad/name busybox true
      run --rm --name x busybox true
      run --rm --label-file ${directory}/none busybox true
      run --rm --cidfile ${directory}/env busybox true
      run --rm --health-interval nonsense busybox true
      run --rm --health-cmd true --no-healthcheck busybox true
      run --rm --blkio-weight 5 busybox true
      run --rm --cpuset-cpus 9999 busybox true
      run --rm --oom-score-adj 5000 busybox true
      run --rm --gpus all busybox true
      run --rm --link nosuch:alias busybox true
      run --rm --ip 1.2.3.4 busybox true
      run --rm --mac-address nonsense busybox true
      run --rm -a stdout busybox sh -c 'echo out; echo err >&2'
      run --rm -a stderr busybox sh -c 'echo out; echo err >&2'
      run --rm -a nonsense busybox true
      run --rm -d -a stdout busybox true
      run --rm -t busybox echo terminal
      run --rm -q busybox echo quiet
      run --rm nosuch:image true
      run --rm 127.0.0.1:1/no/such:image true
      run --rm INVALID true
      run --rm busybox:bad:ref true
      run --rm --cidfile ${directory}/cid --name with-cid busybox true
    `),
    ),
    ...lines(`
      run --rm --label-file ${directory}/bad-env busybox true
      run --rm=0 --name kept busybox true
      rm kept
      run -m=64m --rm busybox true
      run --rm -ti=false busybox echo no terminal
      run --rm -ePATHX=1 busybox sh -c 'echo $PATHX'
      run --rm -- busybox echo after dashes
      run --rm busybox echo -- --rm -x
      run --restart nonsense busybox true
      create --pid nonsense busybox
      create -m 1m busybox
      create --name=
      create --platform a/b/c/d busybox
    `),
    step('run --rm -i busybox cat', { input: 'through stdin\n' }),
    step('run --rm busybox cat', { input: 'not read\n' }),
    step("run --rm busybox sh -c 'echo out; echo err >&2'", { unordered: true }),
    step('run --rm -it busybox true', { input: '' }),
    step('run --rm -e FROM_HERE -e NOT_SET busybox env', { env: { FROM_HERE: 'yes' } }),

    // A container from beginning to end.
    ...lines(`
      create --name one --label a=1 --label b --env X=y -p 127.0.0.1::80 -p 8080:81/udp --expose 90 busybox sh -c 'echo log line; echo second >&2; trap "exit 4" TERM; while :; do sleep 0.05; done'
      create --name one busybox
      create 127.0.0.1:1/nosuch
      create
      ps -a --no-trunc --format '{{.Names}}|{{.Image}}|{{.Command}}|{{.Status}}|{{.Ports}}|{{.Labels}}|{{.State}}|{{.Mounts}}|{{.Networks}}|{{.LocalVolumes}}|{{.Size}}'
      ps
      ps -a
      ps -l
      ps -n 1
      ps -aq --no-trunc
      start one
      start one
      start nosuch one
      ps
      ps -s
      ps --format 'table {{.Names}}\t{{.Image}}\t{{.Label "a"}}\t{{.Ports}}'
      ps --format json
      ps --format '{{json .}}'
      ps --format '{{.Nonsense}}'
      ps --format '{{.Names'
      ps --format 'table'
      ps --format ''
      ps --format raw
      ps --filter name=one --format '{{.Names}}'
      ps --filter name=two --format '{{.Names}}'
      ps --filter label=a --format '{{.Names}}'
      ps --filter label=a=2 --format '{{.Names}}'
      ps --filter status=running --format '{{.Names}}'
      ps --filter status=nonsense
      ps --filter nonsense=x
      ps --filter nonsense
      ps --filter ancestor=busybox --format '{{.Names}}'
      ps --filter network=bridge --format '{{.Names}}'
      ps --filter publish=8080/udp --format '{{.Names}}'
      ps --filter expose=90 --format '{{.Names}}'
      ps --filter volume=/nosuch
      ps --filter health=none --format '{{.Names}}'
      ps --filter health=nonsense
      ps --filter exited=nonsense
      ps --filter is-task=true
      ps --filter before=nosuch
      ps --filter since=nosuch
      ps --filter id=nosuch
      ps extra
      port one
      port one 81/udp
      port one 90
      port one nonsense
      port nosuch
    `),
    step('logs one', { until: /second/, unordered: true }),
    ...lines(`
      logs --tail 1 one
      logs --tail 0 one
      logs -n nonsense one
      logs --since 2099-01-01 one
      logs --since nonsense one
      logs --until 2001-01-01T00:00:00Z one
      logs --until 1h one
      logs nosuch
      logs
      inspect -f '${STATE}' one
      inspect -f '{{.Name}} {{.Config.Image}} {{json .Config.Labels}} {{.HostConfig.RestartPolicy.Name}}' one
      inspect --format '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}' one
      inspect --format '{{range .Config.Env}}{{.}}{{println}}{{end}}' one
      inspect --format '{{index .Config.Cmd 0}} {{len .Config.Cmd}} {{join .Config.Cmd " "}}' one
      inspect --format '{{if eq .State.Status "running"}}up{{else}}down{{end}} {{upper .Name}} {{lower "ABC"}} {{title "abc def"}}' one
      inspect --format '{{with .State}}{{.Status}}{{end}} {{printf "%s-%d-%v-%q" .Name .State.ExitCode .State.Running .Path}}' one
      inspect --format '{{split .Name "n"}} {{truncate .Name 2}}|{{pad .Name 2 3}}|{{slice .Name 1 3}}' one
      inspect --format '{{println .Name}}{{print 1 2 "x"}} {{not true}} {{and true false}} {{or false "x"}} {{ne 1 2}} {{lt 1 2}} {{ge 2 2}}' one
      inspect --format '{{.State.Nonsense}}' one
      inspect --format '{{.Config.Labels.a}} {{.Config.Labels.none}} {{index .Config.Labels "b"}}' one
      inspect --format '{{range $i, $e := .Config.Cmd}}{{if $i}},{{end}}{{$e}}{{end}}{{/* remark */}}' one
      inspect --format '{{- .Name -}}  x' one
      inspect --format '{{range .Config.Nothing}}x{{else}}none{{end}}' one
      inspect --format '{{.HostConfig.PortBindings}} {{.Config.ExposedPorts}} {{.Config.Cmd}} {{.Config.OnBuild}}' one
      inspect --format '{{$x := .Name}}{{$x}} {{(index .HostConfig.PortBindings "80/tcp")}}' one
      inspect --format '{{nosuch .Name}}' one
      inspect --format '{{.Name' one
      inspect --format '{{end}}' one
      inspect --format json --type image busybox
      inspect --type image one
      inspect --type nonsense one
      inspect --type volume one
      inspect nosuch
    `),
    step('inspect one nosuch', { unordered: true }),
    ...lines(`
      inspect -f '{{.Name}}' nosuch one
      inspect
      inspect -s --format '{{.SizeRootFs}}' one
      container inspect one nosuch -f '{{.Name}}'
      top one
      top one -o pid,comm
      top one -eo args
      top one --nonsense
      top nosuch
      exec one echo inside
      exec one sh -c 'echo out; exit 5'
      exec -e A=1 -w /tmp -u 5:6 one sh -c 'echo $A; pwd; id -u'
      exec --env-file ${directory}/env one sh -c 'echo $ONE'
      exec -d one true
      exec one nosuch
      exec one /etc/passwd
      exec -w /nosuch one true
      exec -u nosuch one true
      exec --privileged one grep -c CapEff /proc/self/status
      exec nosuch true
      exec one
      exec -it one true
      exec --detach-keys nonsense one true
      exec one sh -c 'kill -15 $$'
    `),
    step('exec -i one cat', { input: 'to exec\n' }),
    ...lines(`
      attach nosuch
      attach --detach-keys nonsense one
      pause one
      pause one
      ps --format '{{.Names}} {{.State}}'
      exec one true
      stop nosuch
      attach one
      unpause one
      unpause one
      pause nosuch
      unpause nosuch one
      rename one renamed
      rename nosuch x
      rename renamed bad/name
      rename renamed ''
      rename renamed
      rename renamed one
      update --memory 128m --memory-swap 256m one
      update --restart nonsense one
      update --memory 1m one
      update one
      update --cpus 0.5 nosuch
      update --restart on-failure:3 one
      inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' one
      update --restart no one
      diff one
      diff nosuch
      kill -s NOSUCH one
      kill -s 0 one
      kill nosuch
      kill
      stats --no-stream --format '{{.Name}}' one
      stats --no-stream nosuch
      rm one
      rm nosuch
      rm
      restart -t 5 one
      restart nosuch
      stop -t 10 one
      stop one
      wait one
      wait one nosuch one
      inspect -f '${STATE}' one
      kill one
      exec one true
      attach one
      top one
      pause one
      ps
      ps -a --filter exited=4 --format '{{.Names}}'
      start -a nosuch
      start -a one nosuch
      rm -v one
      run --name two busybox sh -c 'cat; exit 6'
      start -a two
    `),
    step('start -ai two', { input: 'again\n' }),
    step('logs -t two', {}),
    ...lines(`
      wait two
      run -d --name three --restart on-failure:1 busybox false
      wait three
      rm -f two three nosuch
      rm -f nosuch
      run -d --name loud --label k=v busybox sh -c 'for i in 1 2 3; do echo line $i; done'
      wait loud
      logs -n 2 loud
      logs --details loud
      logs -f loud
      run -d --rm --name gone busybox sleep 1000
      stop -s KILL gone
      run -d --name link-target busybox sleep 1000
      run --rm --link link-target:db busybox sh -c 'grep -c db /etc/hosts; env | grep -c DB_NAME'
      rm -f link-target
      rm --link nosuch
      container prune -f --filter nonsense=1
      container prune -f --filter label=k=v
      container prune -f
    `),
    step('container prune', { input: 'n\n' }),
    step('run --rm busybox sh -c "echo x" extra'),

    ...lines(`
      volume create named
      volume create named
      volume create --label a=b --opt x=y other
      volume create --driver nosuch x
      volume create bad/name
      volume create a b
      volume ls
      volume ls -q
      volume ls --filter dangling=true -q
      volume ls --filter name=nam -q
      volume ls --filter label=a -q
      volume ls --filter nonsense=1
      volume ls --format '{{.Name}} {{.Driver}} {{.Labels}} {{.Scope}}'
      volume ls --format json
      volume inspect named -f '{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}}'
      volume inspect nosuch
      volume inspect named nosuch -f '{{.Name}}'
      volume inspect
      run -d --name uses -v named:/data -v /anonymous busybox sleep 1000
      ps --filter volume=named --format '{{.Names}} {{.LocalVolumes}} {{.Mounts}}'
      volume rm named
      volume rm -f named
      volume rm nosuch
      volume rm -f nosuch
      volume rm
      rm -fv uses
      volume prune -f
      volume prune -af --filter nonsense=1
      volume prune -af --filter label=a=b
      volume rm named
      volume prune -af

      version --format '{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Os}}'
      version --format '{{.Nonsense}}'
      version -f json extra
      info --format '{{.Containers}} {{.Images}} {{.Driver}} {{.OSType}} {{.SecurityOptions}} {{.Swarm.LocalNodeState}}'
      info --format '{{.Nonsense}}'
      info extra
      events --since 2001-01-01 --until 2001-01-02
      events --since 1m --until 0s --filter event=nosuch
      events --filter nonsense --until 0s
      events --since nonsense --until 0s
      events --since 10m --until 0s --filter container=loud --format '{{.Type}} {{.Action}} {{index .Actor.Attributes "name"}}'
    `),
    // docker's client says until which whole second.
    step("events --since 10m --until 0s --filter type=volume --format '{{.Action}}'", { until: /destroy\nprune\n$/ }),
    ...lines(`
      events --since 10m --until 0s --filter container=loud
      events --since 10m --until 0s --filter container=loud --filter event=die --format json
      system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
      search --limit 1000 x
    `),
  ];
}

/** Images, with a registry at `registry`, host:port. */
export function imageScript(directory: string, registry: string): Step[] {
  return [
    ...lines(`
      images
      images -q
      images --no-trunc -q
      images --digests
      images nosuch
      images busybox --format '{{.Repository}}:{{.Tag}} {{.ID}}'
      images --format json
      images --format 'table {{.Repository}}\t{{.Size}}'
      images --filter reference=busy* --format '{{.Repository}}'
      images --filter dangling=true
      images --filter dangling=nonsense
      images --filter nonsense=1
      images --filter before=nosuch
      images --filter label=x
      images -a a b
      tag busybox tagged:1
      tag busybox ${registry}/parity/image:1
      tag nosuch x
      tag busybox BAD
      tag busybox
      image inspect tagged:1 -f '{{.RepoTags}} {{.Os}} {{.Config.Cmd}}'
      image inspect nosuch
      image inspect busybox nosuch -f '{{.Os}}'
      history busybox
      history --format '{{.CreatedBy}}|{{.Size}}|{{.Comment}}' busybox
      history -q busybox
      history --no-trunc -H=false busybox
      history nosuch
      push ${registry}/parity/image:1
      push -q ${registry}/parity/image:1
      push ${registry}/parity/nosuch:1
      push -a ${registry}/parity/image:1
      rmi ${registry}/parity/image:1
      pull ${registry}/parity/image:1
      pull ${registry}/parity/image:1
      pull -q ${registry}/parity/image:1
      pull -a ${registry}/parity/image
      pull -a ${registry}/parity/image:1
      pull ${registry}/parity/nosuch:1
      pull ${registry}/parity/image:none
      pull --platform linux/s390x ${registry}/parity/image:1
      pull BAD
      pull 127.0.0.1:1/x
      rmi ${registry}/parity/image:1
      rmi nosuch
      rmi tagged:1 nosuch
      rmi
      import ${directory}/none.tar x
      import ${directory}/rootfs.tar imported:1
      import -c 'CMD ["true"]' -c 'ENV A=b' -m message ${directory}/rootfs.tar imported:2
      import -c NONSENSE ${directory}/rootfs.tar imported:3
      import -c 'CMD ["true"]' ${directory}/env imported:4
      run --rm imported:2
      rmi imported:1 imported:2
      rmi -f nosuch
      create --name holds busybox
      tag busybox extra:1
      rmi -f extra:1
      rmi busybox
      rm holds
      build -t built:1 ${directory}/context
      build -q ${directory}/context
      build -t built:1 --no-cache ${directory}/context
      build --compress -q ${directory}/context
      build -t BAD ${directory}/context
      build ${directory}/none
      build -f ${directory}/context/None ${directory}/context
      build -f ${directory}/context/Broken ${directory}/context
      build -f ${directory}/context/Failing ${directory}/context
      build --target nosuch ${directory}/context
      build --build-arg V=2 -t built:2 --label l=m --iidfile ${directory}/iid ${directory}/context
      build
      run --rm built:2
      image inspect -f '{{json .Config.Labels}} {{.Config.Env}}' built:2
      history --format '{{.CreatedBy}}' built:2
      rmi built:1 built:2
    `),
    step('build -t piped:1 -', { input: 'FROM busybox\nRUN echo hi\n' }),
    step('build -', { input: 'NONSENSE\n' }),
    step('import - from-stdin:1', { input: 'nonsense' }),
    ...lines(`
      image prune -f
      rmi piped:1
      image prune -af --filter label=nosuch
      create --name stopped busybox
      network create lonely
      volume create kept
    `),
    step('system prune', { input: 'n\n' }),
    step('system prune -a --volumes --filter label=x', { input: 'n\n' }),
    step('builder prune', { input: 'n\n' }),
    ...lines(`
      system prune --volumes --filter until=1h -f
      system prune -f --filter nonsense=1
      system prune -f --filter label=x
      system prune -f --volumes
      system prune extra
      network ls -q --filter name=lonely
      ps -aq
      builder prune -f
      builder prune -af --filter nonsense=1
      builder prune -f --filter until=nonsense
      builder prune -f --keep-storage lots
      builder nosuch
      image prune --filter nonsense=1 -f
    `),
  ];
}

/** Contexts, in a configuration directory of the script's own. */
export function contextScript(directory: string, socket: string): Step[] {
  const env = { DOCKER_CONFIG: `${directory}/config`, DOCKER_HOST: '' };
  const steps = lines(`
    context ls --format '{{.Name}} {{.Current}} {{.Description}}'
    context show
    context create first --description 'some text' --docker host=unix://${socket}
    context create first
    context create default
    context create bad/name
    context create x
    context create other --docker nonsense=1
    context create other --docker host
    context create other --docker host=tcp://x,ca=${directory}/none
    context create other --docker host=tcp://x,skip-tls-verify=maybe
    context create other --from nosuch
    context create other --from first --docker host=tcp://x
    context create copy --from first
    context create copied --docker from=first,host=ignored
    context create secure --docker host=tcp://127.0.0.1:1,ca=${directory}/env,cert=${directory}/env,key=${directory}/env,skip-tls-verify=true
    context create
    context ls --format '{{.Name}} {{.Current}} {{.Description}} {{.Error}}'
    context ls -q
    context ls extra
    context use first
    context show
    context inspect
    context inspect secure -f '{{.Name}} {{.Endpoints.docker.Host}} {{.Endpoints.docker.SkipTLSVerify}} {{json .TLSMaterial}}'
    context inspect first nosuch -f '{{json .}}'
    context inspect nosuch
    ps -aq
    -c copy ps -aq
    -c secure ps
    -c nosuch ps
    -c copy context show
    context rm first
    context rm copied nosuch
    context rm default
    context use nosuch
    context update copy --description new --docker host=unix:///nowhere.sock
    context update nosuch --description x
    context update copy
    context inspect -f '{{json .}}' copy
    -c copy ps
    context use copy
    context rm -f copy nosuch
    context show
    context use first
    context use default
    context show
  `).map((step) => ({ ...step, env }));
  const chosen = (line: string, more: Record<string, string>): Step => ({ line, env: { ...env, ...more } });
  return [
    ...steps,
    chosen('context show', { DOCKER_CONTEXT: 'first' }),
    chosen('ps -aq', { DOCKER_CONTEXT: 'first' }),
    chosen('context show', { DOCKER_CONTEXT: 'first', DOCKER_HOST: 'unix:///nowhere.sock' }),
    chosen("context ls --format '{{.Name}} {{.Current}} {{.Error}}'", { DOCKER_CONTEXT: 'nosuch' }),
    chosen('context use first', { DOCKER_HOST: 'unix:///nowhere.sock' }),
    chosen('context ls -q', { DOCKER_HOST: 'unix:///nowhere.sock' }),
  ];
}

/** What the flag library says, of every command. */
function usage(): Step[] {
  const commands =
    'build push run create start stop kill rm ps logs exec attach wait inspect top pause unpause pull images rmi tag import version info events rename restart port diff update stats cp commit export history load save';
  return [
    ...['', ...commands.split(' ')].map((command) => ({ line: `${command} --no-such-flag`.trim() })),
    ...commands.split(' ').map((command) => ({ line: `${command} -%` })),
    { line: 'nosuch' },
    { line: 'container nosuch' },
    { line: 'volume nosuch x' },
    { line: 'image' },
    { line: 'run' },
    { line: 'exec' },
    { line: 'exec x' },
    { line: 'run --memory' },
    { line: 'run -m' },
    { line: 'run --rm=maybe busybox' },
    { line: 'run --cpu-shares many busybox' },
    { line: 'stop -t x y' },
    { line: 'ps -n' },
    { line: 'ps -n x' },
    { line: '-H nonsense://x ps' },
    { line: '-H unix:///nonexistent.sock ps' },
    { line: '-H tcp://127.0.0.1:1 ps' },
    { line: '--nonsense ps' },
    { line: '-c nosuch ps' },
    { line: '-H unix:///x -c nosuch ps' },
    { line: 'ps --help=maybe' },
  ];
}
