# services.trioagent: the agent, and what it talks to, each only if enabled.
#
#     imports = [ ./module.nix ];
#     services.trioagent = {
#       enable = true;
#       package = trioagent;   # anything with bin/trioagent
#       settings.mumble = { server = "127.0.0.1"; password = "\${MUMBLE_PASSWORD}"; };
#       environmentFile = "/run/secrets/trioagent";
#       murmur.enable = true;
#       vllm.enable = true;
#       whisper.enable = true;
#     };
{ config, lib, pkgs, ... }:

let
  inherit (lib) mkEnableOption mkIf mkMerge mkOption optional optionals types;

  cfg = config.services.trioagent;
  toml = pkgs.formats.toml { };
  configFile = toml.generate "trioagent.toml" cfg.settings;
  modelsFolder = "/var/lib/trioagent-models";

  # What all of them may not do. Not MemoryDenyWriteExecute: calls from C back into
  # Python need such memory.
  hardening = {
    DynamicUser = true;
    NoNewPrivileges = true;
    ProtectSystem = "strict";
    ProtectHome = true;
    PrivateTmp = true;
    PrivateDevices = true;
    DevicePolicy = "closed";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" "AF_NETLINK" ];
    LockPersonality = true;
    RemoveIPC = true;
    CapabilityBoundingSet = "";
    AmbientCapabilities = "";
    SystemCallArchitectures = "native";
    SystemCallFilter = [ "@system-service" "~@privileged" ];
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };

  service = name: arguments: {
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    environment = {
      HOME = "/var/lib/${name}";
      XDG_STATE_HOME = "/var/lib/${name}";
      TRIOAGENT_MODELS = modelsFolder;
    };
    serviceConfig = hardening // {
      Type = "exec";
      ExecStart = "${cfg.package}/bin/trioagent ${arguments}";
      EnvironmentFile = optional (cfg.environmentFile != null) cfg.environmentFile;
      StateDirectory = name;
      WorkingDirectory = "/var/lib/${name}";
      Restart = "on-failure";
      RestartSec = 2;
      # The configuration is wrong, and stays so.
      RestartPreventExitStatus = 2;
      TimeoutStopSec = 15;
    };
  };

  serveOptions = kind: port: {
    enable = mkEnableOption "`trioagent serve ${kind}`, a ${kind} model behind Wyoming";
    provider = mkOption {
      type = types.str;
      example = if kind == "asr" then "sherpa" else "espeak";
      description = "Which provider is served; its options stand in `settings`.";
    };
    uri = mkOption {
      type = types.str;
      default = "tcp://127.0.0.1:${toString port}";
      description = "Where it listens. The protocol knows no passwords.";
    };
  };

  served = kind: mkIf cfg.serve.${kind}.enable {
    "trioagent-serve-${kind}" = service "trioagent-serve-${kind}"
      (lib.escapeShellArgs [
        "serve" kind
        "--provider" cfg.serve.${kind}.provider
        "--uri" cfg.serve.${kind}.uri
        "--config" "${configFile}"
      ]);
  };
in
{
  options.services.trioagent = {
    enable = mkEnableOption "the voice agent";

    package = mkOption {
      type = types.package;
      description = "What has `bin/trioagent`. It is not in nixpkgs.";
    };

    settings = mkOption {
      type = toml.type;
      default = { };
      description = "config.toml. Passwords belong into `environmentFile`.";
    };

    environmentFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "A file with the variables that `settings` names as \${NAME}.";
    };

    serve.asr = serveOptions "asr" 10300;
    serve.tts = serveOptions "tts" 10200;

    murmur.enable = mkEnableOption "a Mumble server on this machine";

    whisper = {
      enable = mkEnableOption "faster-whisper on the GPU, behind Wyoming";
      model = mkOption { type = types.str; default = "distil-large-v3"; };
      language = mkOption { type = types.str; default = "en"; };
    };

    vllm = {
      enable = mkEnableOption "a language model on the GPU, in a container";
      image = mkOption { type = types.str; default = "vllm/vllm-openai:v0.14.0"; };
      model = mkOption { type = types.str; default = "Qwen/Qwen3-4B-Instruct-2507"; };
      gpuShare = mkOption { type = types.float; default = 0.7; };
      eager = mkOption {
        type = types.bool;
        default = false;
        description = "Without CUDA graphs: starts sooner, needs less memory of the GPU, each token takes longer.";
      };
    };
  };

  config = mkMerge [
    {
      systemd.services = mkMerge [
        (mkIf cfg.enable {
          trioagent = lib.recursiveUpdate (service "trioagent" "--config ${configFile}") {
            after = [ "network-online.target" "murmur.service" ];
            # `trioagent status --socket /run/trioagent/status.socket`, as root
            environment.XDG_RUNTIME_DIR = "/run";
            serviceConfig = {
              # It says itself when it listens, and shows a sign of life every 15 s from
              # then on; one that is stuck is ended and started again.
              Type = "notify";
              NotifyAccess = "main";
              WatchdogSec = 30;
              # Large models take their time.
              TimeoutStartSec = "10min";
              RuntimeDirectory = "trioagent";
              RuntimeDirectoryMode = "0700";
            };
          };
        })
        (served "asr")
        (served "tts")
      ];
    }

    (mkIf cfg.murmur.enable {
      services.murmur = {
        enable = true;
        openFirewall = true;
        bonjour = false;
      } // lib.optionalAttrs (cfg.environmentFile != null) {
        # Replaced when it starts, so that it is not in the store.
        password = "$MUMBLE_PASSWORD";
        environmentFile = cfg.environmentFile;
      };
    })

    (mkIf cfg.whisper.enable {
      services.trioagent.settings = {
        asr.provider = lib.mkDefault "wyoming";
        asr.wyoming.uris = lib.mkDefault [ "tcp://127.0.0.1:10301" ];
      };
      services.wyoming.faster-whisper.servers.trioagent = {
        enable = true;
        # 10300 is `trioagent serve asr`.
        uri = "tcp://127.0.0.1:10301";
        inherit (cfg.whisper) model language;
        device = "cuda";
        beamSize = 1;
      };
    })

    (mkIf cfg.vllm.enable {
      services.trioagent.settings.llm = {
        providers = lib.mkDefault [ "openai" "echo" ];
        openai.base_url = lib.mkDefault "http://127.0.0.1:8000/v1";
      };
      hardware.nvidia-container-toolkit.enable = true;
      virtualisation.oci-containers.containers.trioagent-vllm = {
        inherit (cfg.vllm) image;
        cmd = [
          "--model=${cfg.vllm.model}"
          "--host=0.0.0.0"
          "--port=8000"
          "--max-num-seqs=8"
          "--max-model-len=4096"
          "--enable-chunked-prefill"
          "--max-num-batched-tokens=2048"
          "--enable-prefix-caching"
          "--gpu-memory-utilization=${toString cfg.vllm.gpuShare}"
        ] ++ optionals cfg.vllm.eager [ "--enforce-eager" ];
        ports = [ "127.0.0.1:8000:8000" ];
        volumes = [ "trioagent-vllm:/root/.cache" ];
        extraOptions = [
          "--device=nvidia.com/gpu=all"
          "--shm-size=4g"
          "--cap-drop=ALL"
          "--security-opt=no-new-privileges"
        ];
      };
    })
  ];
}
