# Connects PowerShell to a relay. The relay's cmdlets come with the connection, as Exchange's do: see Cmdlets.psm1.
# Nothing here is newer than Windows PowerShell 5.1.

$script:Connected = $null

function Connect-Staffetta {
    <#
    .SYNOPSIS
    Connects to a relay, and makes its cmdlets available in this session.

    .DESCRIPTION
    Every cmdlet is carried out by the relay, with the roles of the token. One connection at a time.

    .PARAMETER Uri
    Where the relay's administration listens, such as https://relay.contoso.com:8025.

    .PARAMETER Token
    An API token, as text or as a secure string. New-ApiToken makes one.

    .PARAMETER Organization
    The organisation to work in, by name or GUID.

    .PARAMETER Prefix
    Is put before the noun of every cmdlet, so that both Exchange Online and the relay can be connected:
    with -Prefix Relay there is Get-RelayInboundConnector.

    .PARAMETER SkipCertificateCheck
    Takes any certificate of the relay. In Windows PowerShell 5.1 this holds for the whole process.

    .EXAMPLE
    Connect-Staffetta -Uri https://relay.contoso.com:8025 -Token (Read-Host -AsSecureString) -Prefix Relay
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [uri] $Uri,

        [Parameter(Mandatory = $true, Position = 1)]
        [object] $Token,

        [string] $Organization = 'default',

        [string] $Prefix = '',

        [switch] $SkipCertificateCheck
    )

    Disconnect-Staffetta
    $secret = $Token
    if ($Token -is [securestring]) {
        $secret = (New-Object System.Management.Automation.PSCredential('token', $Token)).GetNetworkCredential().Password
    }
    $isOld = $PSVersionTable.PSVersion.Major -lt 6
    if ($isOld) {
        $protocols = [System.Net.ServicePointManager]::SecurityProtocol
        [System.Net.ServicePointManager]::SecurityProtocol = $protocols -bor [System.Net.SecurityProtocolType]::Tls12
    }
    if ($isOld -and $SkipCertificateCheck) {
        Enable-AnyCertificate
    }
    $connection = @{
        Endpoint = $Uri.AbsoluteUri.TrimEnd('/') + '/adminapi/beta/' + [uri]::EscapeDataString($Organization) + '/InvokeCommand'
        Token = $secret
        SkipCertificateCheck = ($SkipCertificateCheck -and -not $isOld)
    }
    $import = @{
        Name = Join-Path $PSScriptRoot 'Cmdlets.psm1'
        ArgumentList = $connection
        Global = $true
        Force = $true
        DisableNameChecking = $true
        PassThru = $true
    }
    if ($Prefix) {
        $import.Prefix = $Prefix
    }
    $script:Connected = Import-Module @import
}

function Disconnect-Staffetta {
    <#
    .SYNOPSIS
    Takes the relay's cmdlets out of this session, and forgets the token.

    .EXAMPLE
    Disconnect-Staffetta
    #>
    [CmdletBinding()]
    param()

    if ($null -ne $script:Connected) {
        Remove-Module -ModuleInfo $script:Connected
        $script:Connected = $null
    }
}

function Enable-AnyCertificate {
    # Windows PowerShell asks a delegate on threads that have no runspace, so that a script block would not do.
    if (-not ('StaffettaAnyCertificate' -as [type])) {
        Add-Type -TypeDefinition @'
public static class StaffettaAnyCertificate {
    public static void Enable() {
        System.Net.ServicePointManager.ServerCertificateValidationCallback =
            delegate { return true; };
    }
}
'@
    }
    [StaffettaAnyCertificate]::Enable()
}

Export-ModuleMember -Function @('Connect-Staffetta', 'Disconnect-Staffetta')
