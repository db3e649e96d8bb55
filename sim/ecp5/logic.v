// Flip-flops and tables that are instantiated rather than inferred, and the global set/reset.

`timescale 1ps / 1ps

module LUT4 #(
    parameter [15:0] INIT = 0
) (
    input  A,
    input  B,
    input  C,
    input  D,
    output Z
);
  assign Z = INIT[{D, C, B, A}];
endmodule

module FD1S3AX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input CK,
    output reg Q = 0
);
  always @(posedge CK) Q <= D;
endmodule

module FD1P3BX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input CK,
    input PD,
    output reg Q = 1
);
  always @(posedge CK or posedge PD)
    if (PD) Q <= 1;
    else if (SP) Q <= D;
endmodule

module IFS1P3DX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input SCLK,
    input CD,
    output reg Q = 0
);
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 0;
    else if (SP) Q <= D;
endmodule

module OFS1P3DX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input SCLK,
    input CD,
    output reg Q = 0
);
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 0;
    else if (SP) Q <= D;
endmodule

// The state after configuration is the initial one of every register; a global reset later on is not modelled.
module GSR (
    input GSR
);
endmodule

module SGSR (
    input GSR,
    input CLK
);
endmodule
